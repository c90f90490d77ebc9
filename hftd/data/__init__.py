"""Recorded market data: read from files, checked, cleaned, put in order, written. Knows nothing of who asks.

rows       columns of bars, trades or quotes, and their order in time
reading    what files look like: names of columns, time zone
files      files and folders, read in pieces
faults     what no market could have printed
merging    many sorted pieces into one sequence
recorded   `Recorded`: all of it together, as chunks of columns or as domain objects
checking   what is suspicious in data that can be read
writing    the one clean layout: Parquet, in order of time
"""
