"""The session log's database, and the app to read and judge conversations in.

`taker` brings the records of the stream (connectors/session_log) into SQL. The records are the
truth and are kept whole; every other table about conversations is made from them by `projection`,
to find and count with.
"""
