"""The limits of docs/protocol.md, 9, in one place, each with its reason."""

from __future__ import annotations

from .lean import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

# The length of a frame is a u16.
FRAME_CONTENT_BYTES: Final = 0xFFFF
# What an unknown client may send, and how long it may take: enough for a Hello of 1,302 bytes and its header.
UNKNOWN_CLIENT_BYTES: Final = 2048
HELLO_TIMEOUT_S: Final = 5.0
# Configuration is small, and larger data belongs in a file store. This bounds what a client must hold in memory.
SHARD_BYTES: Final = 1 << 20
# The padded, sealed note of one client, which has its name and a hash for each of its keys.
NOTE_BYTES: Final = 64 << 10
# A message in parts. Lists may be longer than other messages, because they grow with the number of clients.
LISTING_BYTES: Final = 128 << 20
MESSAGE_BYTES: Final = 2 << 20
# A signed head. It has some hundreds of keys if publishers or servers change.
SIGNED_BYTES: Final = 16 << 10
# The text of an Error, which is a code and a sentence.
ERROR_BYTES: Final = 1 << 10
# A session's keys are used for at most so many frames and so much time. Then both sides connect again.
SESSION_FRAMES: Final = 1 << 20
SESSION_TIMEOUT_S: Final = 3600.0
# The limits of one upload, unless the server's settings say otherwise.
UPLOAD_BYTES: Final = 1 << 30
UPLOAD_SHARDS: Final = 1_000_000
UPLOAD_SILENCE_S: Final = 60.0
# An upload keeps every other publisher of its coffer waiting.
UPLOAD_TIMEOUT_S: Final = 1800.0
# The heads in one answer, so that an answer stays short.
HEADS_PER_ANSWER: Final = 1000
# `notes` in one answer: of usual notes, a quarter of what a Tell may hold.
NOTES_PER_ANSWER: Final = 10_000
# `activity` in one answer.
ACTIVITIES_PER_ANSWER: Final = 10_000
# Names of coffers and clients.
NAME_CHARACTERS: Final = 64
# The length of a secret's key, in bytes of UTF-8.
KEY_BYTES: Final = 255
# The number of releases that a client may have missed. If larger jumps were allowed, one forged head could lock a client out for ever.
SERIAL_JUMP: Final = 1 << 20
# How far a restart goes above every serial that its publisher knows: what other publishers may have made lies below it.
RESTART_GAP: Final = 1000
# How far ahead of a reader's clock a release may have been issued. Clocks are wrong by hours, through a wrong time zone; not by more.
ISSUED_AHEAD_S: Final = 86400
# A clock before 2025 was never set. Seconds since 1970.
CLOCK_START: Final = 1_735_689_600
# If the newest release was issued further ahead of a publisher's clock than this, the publisher says so.
ISSUED_NOTICE_S: Final = 3600
# The replaced note keys that a publisher's shard holds, so that older notes stay readable.
EARLIER_NOTE_KEYS: Final = 64
