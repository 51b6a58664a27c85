"""Coffer's server: listens, keeps, answers. It reads no secret that it serves."""
