from quotebus import MissingExtra, make_frame

try:
    print(make_frame([], library="polars").shape)
except MissingExtra as error:
    print(error)  # this needs polars: pip install 'quotebus[polars]'
