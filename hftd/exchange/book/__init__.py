"""The order book: price-time-priority matching, compiled.

`layout` has the words and record types (numpy alone), `book.Book` the book itself (loads numba), `kernel` what compiled
code calls, `audit` a whole check of a book's insides, and `feeds` readers that rebuild recorded books.
"""
