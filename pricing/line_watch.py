"""What a connection that is up lacks: data that the venue shows newer, reports of halts, answers to pings. Pure."""

from __future__ import annotations

from quotebus.bus.events import Cause, ConnectionState, MarketSession
from quotebus.pricing.announcements import describe
from quotebus.pricing.feed_watch import FeedWatch
from quotebus.pricing.session import Session
from quotebus.pricing.session_states import UP
from quotebus.pricing.subscription_set import SubscriptionSet


class LineWatch:
    """Keeps the session's detail, and ends a connection that answers pings and is proven to bring no data."""

    def __init__(self, session: Session, feed: FeedWatch, subscriptions: SubscriptionSet) -> None:
        self._session = session
        self._feed = feed
        self._subscriptions = subscriptions

    def on_time(self, market_session: MarketSession, now_ns: int) -> None:
        """Let time pass."""
        feed, session = self._feed, self._session
        if session.state is ConnectionState.STREAMING or (session.state is ConnectionState.SUSPECT and feed.is_mute):
            feed.on_time(now_ns, market_session)
        session.on_mute(now_ns, mute=feed.is_mute)
        if session.state in UP:
            session.annotate(self.describe(), now_ns)
        if feed.is_mute and session.cause is Cause.MUTE and feed.pace.may_redial(now_ns):
            feed.pace.note(now_ns)
            session.on_failure(Cause.MUTE, now_ns, last_byte_ns=feed.last_quote_ns)
        if session.state not in UP:
            feed.end()

    def describe(self) -> str:
        """The detail of a connection that is up."""
        statuses = self._subscriptions.has_all_statuses()
        return describe(statuses=statuses, silent=self._feed.is_silent, pongs=not self._session.pongs.missing)
