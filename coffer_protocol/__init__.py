"""What both ends of Coffer must agree on: keys, frames, sessions, shards and releases (PROTOCOL.md).

Pure: bytes in, values out. Nothing here opens a socket or a file, reads a clock or logs; time, randomness and bytes are arguments.
"""
