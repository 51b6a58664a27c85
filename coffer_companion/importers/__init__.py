"""Secrets from other tools into a definition.

Modules:
    sources.py   .env files, JSON, SOPS, a folder, the environment
"""
