"""The command line `coffer-client`.

Modules:
    main.py       runs a command line: chooses the parser, and shows errors
    options.py    the table of commands and their options, and the parser that it drives
    app.py        help, from the same table
    exits.py      exit codes
    commands/     what each command does
    completion/   scripts that complete command lines in a shell
    doctor/       the steps of `doctor`
"""
