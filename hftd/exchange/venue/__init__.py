"""The venue: accounts, order rules and order states. Commands and a time in; reports and changed records out. Pure."""
