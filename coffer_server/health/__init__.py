"""Whether a server works, for scripts and for people.

Modules:
    probe.py          finds out whether the store answers and takes changes
    report.py         the report, as JSON and as text
    socket.py         the socket that a running server answers on
    write_status.py   how the last change of the store went
"""
