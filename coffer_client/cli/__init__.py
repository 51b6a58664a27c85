"""The command line `coffer-client`.

Modules:
    main.py       runs a command line: chooses the command, and shows errors
    options.py    the table of commands and their options
    help.py       writes the help from that table
    exits.py      exit codes
    commands/     what each command does
    completion/   scripts that complete command lines in a shell
    doctor/       the steps of `doctor`
"""
