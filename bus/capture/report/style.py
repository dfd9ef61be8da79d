"""The style of a report's page, for light and dark. Pure."""

STYLE = """
:root{color-scheme:light dark;--ground:#fbfaf7;--panel:#fff;--ink:#1d2127;--soft:#626a75;--rule:#e3e1db;--grid:#eeece6;
--bid:#1f6fb2;--ask:#c4571b;--bad:#b3261e;--unusable:#b3261e22;--halted:#7b4fb055;--gap:#b3261e40;--bar:#5b7fa6;
--buy:#0f7b5f;--sell:#a0307c;--market:#b3261e;--refuse:#6a7079;--ok:#2f8f5b;--warn:#c98a12;--idle:#9aa3ad}
@media(prefers-color-scheme:dark){:root{--ground:#14171b;--panel:#1b1f25;--ink:#e6e8eb;--soft:#98a1ac;--rule:#2c323a;
--grid:#262b32;--bid:#6ab0ea;--ask:#f0945a;--bad:#ff7b72;--unusable:#ff7b7224;--halted:#b794f655;--gap:#ff7b7248;
--bar:#6d93bd;--buy:#4fd1a5;--sell:#f08bce;--market:#ff7b72;--refuse:#a3abb5;--ok:#3f9e6c;--warn:#b98a2f;--idle:#5d6671}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1320px;padding:28px 32px 48px;background:var(--ground);color:var(--ink);
font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:22px;margin:0 0 10px;font-weight:650;overflow-wrap:anywhere}
h2{font-size:16px;margin:0 0 12px;font-weight:650}
dl{display:flex;flex-wrap:wrap;gap:4px 28px;margin:0;color:var(--soft)}
dl div{display:flex;gap:8px}dd{margin:0;color:var(--ink);overflow-wrap:anywhere}
section{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:18px 20px;margin:16px 0}
.tiles{display:flex;flex-wrap:wrap;gap:12px;margin:18px 0 0}
.tile{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:10px 16px;min-width:118px;flex:1}
.tile b{display:block;font-size:20px;font-variant-numeric:tabular-nums;font-weight:600}
.tile span{color:var(--ink)}.tile small{display:block;color:var(--soft)}.tile.bad b{color:var(--bad)}
svg:not(.clip){display:block;width:100%;height:auto;overflow:visible}.clip{overflow:hidden}
.zoom path{vector-effect:non-scaling-stroke}.timed{cursor:crosshair;touch-action:pan-x pan-y}
svg text{font-size:11px;fill:var(--ink)}svg .tick,svg .unit{fill:var(--soft);font-variant-numeric:tabular-nums}
svg .unit{font-style:italic}svg .on{fill:#fff;font-size:11.5px;font-weight:600}
.grid{stroke:var(--grid);fill:none}.axis{stroke:var(--soft);stroke-opacity:.6;fill:none}
.bid{stroke:var(--bid)}.ask{stroke:var(--ask)}.bid,.ask{fill:none;stroke-width:1.3;stroke-linejoin:round}
.updates,.bar{fill:var(--bar)}
.unusable{fill:var(--unusable)}.halted{fill:var(--halted)}.gap{fill:var(--gap)}.beyond{fill:var(--soft)}
.mark.buy{fill:var(--buy)}.mark.sell{fill:var(--sell)}.mark{fill-opacity:.75}
.mark.market,.mark.refuse{fill:none;stroke-width:1.4}.market{stroke:var(--market)}.refuse{stroke:var(--refuse)}
.state,.dot{fill:var(--idle);background:var(--idle)}.s-streaming{fill:var(--ok);background:var(--ok)}
.s-suspect,.s-connecting,.s-authenticating,.s-subscribing{fill:var(--warn);background:var(--warn)}
.s-backing_off,.s-circuit_open,.s-refused{fill:var(--bad);background:var(--bad)}
.dot{display:inline-block;width:9px;height:9px;border-radius:50%;margin-right:7px}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(320px,1fr));gap:18px 28px}
figure{margin:0}figcaption{color:var(--soft);margin-bottom:4px}.cards p,.why{color:var(--soft);margin:6px 0 10px}
.wide{overflow-x:auto;margin-top:10px}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{text-align:left;color:var(--soft);font-weight:500;border-bottom:1px solid var(--rule);padding:4px 14px 4px 0}
td{padding:4px 14px 4px 0;border-bottom:1px solid var(--grid)}a{color:var(--bid)}
.legend{display:flex;flex-wrap:wrap;gap:6px 20px}.legend span{display:flex;align-items:center;gap:7px}
.key{width:18px;height:10px;display:inline-block;background:currentColor}
.k-bid{color:var(--bid);height:2px}.k-ask{color:var(--ask);height:2px}.k-unusable{color:var(--unusable)}
.k-halted{color:var(--halted)}.k-gap{color:var(--gap)}.k-buy{color:var(--buy)}.k-sell{color:var(--sell)}
.k-market{color:var(--market);height:2px}.k-refuse{color:var(--refuse);height:2px}
footer{color:var(--soft)}.on{pointer-events:none}
.cross{stroke:var(--soft);stroke-dasharray:3 3;fill:none;pointer-events:none}
.select{fill:var(--bid);fill-opacity:.18;pointer-events:none}
body>.legend{margin:16px 2px 0}[hidden]{display:none!important}
#tools{position:sticky;top:0;z-index:2;display:flex;flex-wrap:wrap;align-items:center;gap:6px 12px;padding:10px 2px;
margin-top:10px;background:var(--ground)}
#tools button{min-width:32px;height:28px;border:1px solid var(--rule);border-radius:6px;background:var(--panel);
color:inherit;font:inherit;cursor:pointer}#tools button:hover{border-color:var(--soft)}
#tools label{display:flex;gap:6px;align-items:center}#tools .hint,#window{color:var(--soft)}
#readout{margin-left:auto;white-space:pre;font-weight:600;font-variant-numeric:tabular-nums}
.kinds{display:flex;flex-wrap:wrap;gap:6px 18px;margin-bottom:8px}.kinds label{display:flex;gap:6px;align-items:center}
.kinds small{color:var(--soft)}
.events{list-style:none;margin:0;padding:0;max-height:320px;overflow-y:auto;border-top:1px solid var(--rule)}
.events a{display:grid;grid-template-columns:96px 12px 72px minmax(0,1fr);gap:8px;align-items:baseline;padding:3px 4px;
color:inherit;text-decoration:none;border-bottom:1px solid var(--grid)}
.events a:hover,.events a.here{background:var(--grid)}
.events time{color:var(--soft);font-variant-numeric:tabular-nums}.events span{overflow-wrap:anywhere}
.dot.e-line{background:var(--ok)}.dot.e-gap{background:var(--bad)}.dot.e-halt{background:#7b4fb0}
.dot.e-failover{background:var(--warn)}.dot.e-decision{background:var(--buy)}
section{scroll-margin-top:52px}
@media(max-width:700px){body{padding:16px 12px 32px}section{padding:14px 12px}.pan{overflow-x:auto}
.timed{width:1190px!important;max-width:none}.hint{display:none}.cards{grid-template-columns:minmax(0,1fr)}
.events a{grid-template-columns:92px 12px minmax(0,1fr)}.events span{grid-column:1/-1}
.tile{min-width:96px;padding:8px 12px}#readout{margin-left:0;flex-basis:100%}}
"""
