import quotebus

print(quotebus.__version__)
