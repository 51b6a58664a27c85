"""Sockets: what a conversation needs of the world, for each way of waiting. Only this folder imports sockets and anyio.

Modules:
    blocking.py         plain sockets
    eventloop.py        asyncio and trio, over anyio
    happy_eyeballs.py   connects to the first of several addresses that answers
    interruptible.py    plain sockets whose wait another thread can interrupt
"""
