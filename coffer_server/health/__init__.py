"""The health of a running server.

Modules:
    report.py          the report and its status, as JSON and as text
    probe.py           finds out what the report says: whether the store can be read and written
    socket.py          the Unix socket that sends the report, and the function that asks for it
    write_status.py    the outcome of the last write to the store
"""
