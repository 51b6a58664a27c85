# fish completion for coffer-client, made by `coffer-client completion fish`

# Prints at which of the words before the cursor the line of another command begins, or nothing.
function __coffer_client_line
    set -l words (commandline -opc)
    contains -- "$words[2]" run; or return
    set -l expects
    for i in (seq 3 (math (count $words) + 1))
        if set -q expects[1]
            set -e expects
        else if test "$words[$i]" = --
            echo (math $i + 1)
            return
        else if test $i -gt (count $words)
            return
        else if not string match -qr -- '^-.' $words[$i]
            echo $i
            return
        else if contains -- "$words[2]:$words[$i]" run:--only run:--except run:--prefix run:--server run:--identity run:--config run:--state run:--timeout run:--max-stale run:--on-change run:--splay
            set expects yes
        end
    end
end

# Succeeds if what is typed still belongs to this program.
function __coffer_client_is_own
    set -l start (__coffer_client_line)
    not set -q start[1]
end

# Succeeds if this command was typed; "" means no command.
function __coffer_client_is --argument-names command
    set -l words (commandline -opc)
    test "$words[2]" = "$command"; and __coffer_client_is_own
end

# Succeeds if the line of another command can begin here, or has begun.
function __coffer_client_begins --argument-names command
    set -l words (commandline -opc)
    test "$words[2]" = "$command"
end

# Prints what the command that begins here would offer.
function __coffer_client_command_line
    set -l words (commandline -opc)
    set -l start (__coffer_client_line)
    set -l line
    if set -q start[1]
        test $start -le (count $words); and set line (string escape -- $words[$start..])
    else if string match -q -- '-*' (commandline -ct)
        return
    end
    complete --do-complete=(string join ' ' -- $line (commandline -ct))
end

function __coffer_client_keys
    set -l words (commandline -opc)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l source
    set -l expects
    set -l dashes
    for word in $words[3..]
        set word (string replace -r '^~/' "$HOME/" -- $word)
        if set -q expects[1]
            set -a source $expects=$word
            set -e expects
        else if test "$word" = --
            set dashes yes
            break
        else if contains -- $word --server --identity --config --state
            set expects $word
        else
            for known in '--server=*' '--identity=*' --bare '--config=*' '--state=*'
                string match -q -- $known $word; and set -a source $word
            end
        end
    end
    for key in ($program keys --cached $source 2>/dev/null </dev/null)
        # Before -- this would be an option.
        string match -q -- '-*' $key; and not set -q dashes[1]; and continue
        printf '%s\n' $key
    end
end

complete -c coffer-client -f
complete -c coffer-client -n '__coffer_client_is ""' -a init -d 'Make this client\'s identity and configuration, and try the server'
complete -c coffer-client -n '__coffer_client_is ""' -a get -d 'Print secrets, or write them to files'
complete -c coffer-client -n '__coffer_client_is ""' -a keys -d 'Print the names of all secrets, one on each line, and no value'
complete -c coffer-client -n '__coffer_client_is ""' -a run -d 'Run a command with the secrets in its environment'
complete -c coffer-client -n '__coffer_client_is ""' -a watch -d 'Print a line for the current release, and for each new one when it comes'
complete -c coffer-client -n '__coffer_client_is ""' -a render -d 'Fill a template with secrets'
complete -c coffer-client -n '__coffer_client_is ""' -a trust -d 'Show what this client remembers and trusts, and the evidence that it has kept; with `clear` or `reset`, delete one of the two'
complete -c coffer-client -n '__coffer_client_is ""' -a keygen -d 'Make this client\'s identity, and print the line for the operator'
complete -c coffer-client -n '__coffer_client_is ""' -a id -d 'Print this client\'s public key, for the operator'
complete -c coffer-client -n '__coffer_client_is ""' -a config -d 'Show each setting that is in force, and its source'
complete -c coffer-client -n '__coffer_client_is ""' -a doctor -d 'Try everything that a fetch needs, step by step, and say how to repair what fails'
complete -c coffer-client -n '__coffer_client_is ""' -a completion -d 'Print the script with which a shell completes commands, options, and KEYs'
complete -c coffer-client -n '__coffer_client_is ""' -l version -d 'Print the version'
complete -c coffer-client -n '__coffer_client_is_own' -s h -l help -d 'Print this help'

complete -c coffer-client -n '__coffer_client_is init' -l bare -d 'Make an identity that the server knows by a bare NaCl key of 64 hex digits (suite 0)'
complete -c coffer-client -n '__coffer_client_is init' -l identity -r -F -d 'Use this identity file; if it does not exist, make it'
complete -c coffer-client -n '__coffer_client_is init' -l config -r -F -d 'Write this configuration file; /etc/coffer/client.toml is the whole machine\'s'
complete -c coffer-client -n '__coffer_client_is init' -l name -x -d 'Name the client like this in the line for the operator'
complete -c coffer-client -n '__coffer_client_is init' -l force -d 'Write the address even if the file names another one'
complete -c coffer-client -n '__coffer_client_is init' -l timeout -x -d 'Wait at most this long for the server, in all'
complete -c coffer-client -n '__coffer_client_is get' -l only -x -a '(__coffer_client_keys)' -d 'Take only the secrets whose keys match PATTERN (* any text, ? one character, [ab] one of these)'
complete -c coffer-client -n '__coffer_client_is get' -l except -x -a '(__coffer_client_keys)' -d 'Leave out the secrets whose keys match PATTERN'
complete -c coffer-client -n '__coffer_client_is get' -l prefix -x -d 'Begin each name with TEXT'
complete -c coffer-client -n '__coffer_client_is get' -l upper -d 'Write names in upper case, with their prefix'
complete -c coffer-client -n '__coffer_client_is get' -l server -x -d 'Ask the server with this address, which `coffer-companion address` prints'
complete -c coffer-client -n '__coffer_client_is get' -l identity -r -F -d 'Use this identity file'
complete -c coffer-client -n '__coffer_client_is get' -l bare -d 'Use the identity\'s bare NaCl key (suite 0)'
complete -c coffer-client -n '__coffer_client_is get' -l config -r -F -d 'Read this configuration file, for what no option and no variable sets'
complete -c coffer-client -n '__coffer_client_is get' -l state -x -a '(__fish_complete_directories)' -d 'Remember the newest release, and keep the sealed cache, in this folder'
complete -c coffer-client -n '__coffer_client_is get' -l timeout -x -d 'Wait at most this long for the server, in all'
complete -c coffer-client -n '__coffer_client_is get' -l no-cache -d 'Keep no cache, and use none'
complete -c coffer-client -n '__coffer_client_is get' -l max-stale -x -d 'If no server answers, or the answer is refused, use a cache that is at most this old: 30m, 12h, 7d; 0 for never'
complete -c coffer-client -n '__coffer_client_is get' -l format -x -a 'raw shell dotenv json toml docker compose systemd gitlab github null' -d 'Print in this format'
complete -c coffer-client -n '__coffer_client_is get' -s n -l no-newline -d 'With raw: add no newline, not even on a terminal'
complete -c coffer-client -n '__coffer_client_is get' -s o -l output -r -F -d 'Write to FILE, with mode 0600, in place of stdout'
complete -c coffer-client -n '__coffer_client_is get' -l to-dir -x -a '(__fish_complete_directories)' -d 'Write each value to a file of its key\'s name in DIR, and print nothing'
complete -c coffer-client -n '__coffer_client_is get' -a '(__coffer_client_keys)'
complete -c coffer-client -n '__coffer_client_is keys' -l server -x -d 'Ask the server with this address, which `coffer-companion address` prints'
complete -c coffer-client -n '__coffer_client_is keys' -l identity -r -F -d 'Use this identity file'
complete -c coffer-client -n '__coffer_client_is keys' -l bare -d 'Use the identity\'s bare NaCl key (suite 0)'
complete -c coffer-client -n '__coffer_client_is keys' -l config -r -F -d 'Read this configuration file, for what no option and no variable sets'
complete -c coffer-client -n '__coffer_client_is keys' -l state -x -a '(__fish_complete_directories)' -d 'Remember the newest release, and keep the sealed cache, in this folder'
complete -c coffer-client -n '__coffer_client_is keys' -l timeout -x -d 'Wait at most this long for the server, in all'
complete -c coffer-client -n '__coffer_client_is keys' -l cached -d 'Ask no server, but read the sealed cache, however old it is'
complete -c coffer-client -n '__coffer_client_is keys' -l no-cache -d 'Keep no cache, and use none'
complete -c coffer-client -n '__coffer_client_is keys' -l max-stale -x -d 'If no server answers, or the answer is refused, use a cache that is at most this old: 30m, 12h, 7d; 0 for never'
complete -c coffer-client -n '__coffer_client_is run' -l only -x -a '(__coffer_client_keys)' -d 'Take only the secrets whose keys match PATTERN (* any text, ? one character, [ab] one of these)'
complete -c coffer-client -n '__coffer_client_is run' -l except -x -a '(__coffer_client_keys)' -d 'Leave out the secrets whose keys match PATTERN'
complete -c coffer-client -n '__coffer_client_is run' -l prefix -x -d 'Begin each name with TEXT'
complete -c coffer-client -n '__coffer_client_is run' -l upper -d 'Write names in upper case, with their prefix'
complete -c coffer-client -n '__coffer_client_is run' -l pristine -d 'Give the command only the secrets, and nothing else of the environment, not even PATH'
complete -c coffer-client -n '__coffer_client_is run' -l server -x -d 'Ask the server with this address, which `coffer-companion address` prints'
complete -c coffer-client -n '__coffer_client_is run' -l identity -r -F -d 'Use this identity file'
complete -c coffer-client -n '__coffer_client_is run' -l bare -d 'Use the identity\'s bare NaCl key (suite 0)'
complete -c coffer-client -n '__coffer_client_is run' -l config -r -F -d 'Read this configuration file, for what no option and no variable sets'
complete -c coffer-client -n '__coffer_client_is run' -l state -x -a '(__fish_complete_directories)' -d 'Remember the newest release, and keep the sealed cache, in this folder'
complete -c coffer-client -n '__coffer_client_is run' -l timeout -x -d 'Wait at most this long for the server, in all'
complete -c coffer-client -n '__coffer_client_is run' -l no-cache -d 'Keep no cache, and use none'
complete -c coffer-client -n '__coffer_client_is run' -l max-stale -x -d 'If no server answers, or the answer is refused, use a cache that is at most this old: 30m, 12h, 7d; 0 for never'
complete -c coffer-client -n '__coffer_client_is run' -l redact -d 'Write `<secret NAME>` in place of each secret that the command writes to stdout or stderr; both are pipes for it'
complete -c coffer-client -n '__coffer_client_is run' -l watch -d 'Keep running, and act when the secrets change'
complete -c coffer-client -n '__coffer_client_is run' -l on-change -x -a 'restart signal: exec:' -d 'With --watch: start the command again (the default), send it a signal, or let a shell run CMD with the new secrets'
complete -c coffer-client -n '__coffer_client_is run' -l splay -x -d 'With --watch: delay that by a random time, at most this long: 30s'
complete -c coffer-client -n '__coffer_client_begins run' -x -a '(__coffer_client_command_line)'
complete -c coffer-client -n '__coffer_client_is watch' -l only -x -a '(__coffer_client_keys)' -d 'Take only the secrets whose keys match PATTERN (* any text, ? one character, [ab] one of these)'
complete -c coffer-client -n '__coffer_client_is watch' -l except -x -a '(__coffer_client_keys)' -d 'Leave out the secrets whose keys match PATTERN'
complete -c coffer-client -n '__coffer_client_is watch' -l prefix -x -d 'Begin each name with TEXT'
complete -c coffer-client -n '__coffer_client_is watch' -l upper -d 'Write names in upper case, with their prefix'
complete -c coffer-client -n '__coffer_client_is watch' -l server -x -d 'Ask the server with this address, which `coffer-companion address` prints'
complete -c coffer-client -n '__coffer_client_is watch' -l identity -r -F -d 'Use this identity file'
complete -c coffer-client -n '__coffer_client_is watch' -l bare -d 'Use the identity\'s bare NaCl key (suite 0)'
complete -c coffer-client -n '__coffer_client_is watch' -l config -r -F -d 'Read this configuration file, for what no option and no variable sets'
complete -c coffer-client -n '__coffer_client_is watch' -l state -x -a '(__fish_complete_directories)' -d 'Remember the newest release, and keep the sealed cache, in this folder'
complete -c coffer-client -n '__coffer_client_is watch' -l no-cache -d 'Keep no cache, and use none'
complete -c coffer-client -n '__coffer_client_is watch' -l exec -x -d 'Run CMD in a shell, with the secrets in its environment'
complete -c coffer-client -n '__coffer_client_is render' -l server -x -d 'Ask the server with this address, which `coffer-companion address` prints'
complete -c coffer-client -n '__coffer_client_is render' -l identity -r -F -d 'Use this identity file'
complete -c coffer-client -n '__coffer_client_is render' -l bare -d 'Use the identity\'s bare NaCl key (suite 0)'
complete -c coffer-client -n '__coffer_client_is render' -l config -r -F -d 'Read this configuration file, for what no option and no variable sets'
complete -c coffer-client -n '__coffer_client_is render' -l state -x -a '(__fish_complete_directories)' -d 'Remember the newest release, and keep the sealed cache, in this folder'
complete -c coffer-client -n '__coffer_client_is render' -l timeout -x -d 'Wait at most this long for the server, in all'
complete -c coffer-client -n '__coffer_client_is render' -l no-cache -d 'Keep no cache, and use none'
complete -c coffer-client -n '__coffer_client_is render' -l max-stale -x -d 'If no server answers, or the answer is refused, use a cache that is at most this old: 30m, 12h, 7d; 0 for never'
complete -c coffer-client -n '__coffer_client_is render' -s o -l output -r -F -d 'Write the result to FILE, not to stdout'
complete -c coffer-client -n '__coffer_client_is render' -l mode -x -d 'Give the file this mode, in octal'
complete -c coffer-client -n '__coffer_client_is render' -l owner -x -d 'Give the file this owner, by names or numbers; this needs root'
complete -c coffer-client -n '__coffer_client_is render' -l exec -x -d 'Run CMD in a shell after the file was written'
complete -c coffer-client -n '__coffer_client_is render' -l watch -d 'Keep running, and write the file for each new release'
complete -c coffer-client -n '__coffer_client_is render' -F
complete -c coffer-client -n '__coffer_client_is trust' -l server -x -d 'Ask the server with this address, which `coffer-companion address` prints'
complete -c coffer-client -n '__coffer_client_is trust' -l identity -r -F -d 'Use this identity file'
complete -c coffer-client -n '__coffer_client_is trust' -l bare -d 'Use the identity\'s bare NaCl key (suite 0)'
complete -c coffer-client -n '__coffer_client_is trust' -l config -r -F -d 'Read this configuration file, for what no option and no variable sets'
complete -c coffer-client -n '__coffer_client_is trust' -l state -x -a '(__fish_complete_directories)' -d 'Remember the newest release, and keep the sealed cache, in this folder'
complete -c coffer-client -n '__coffer_client_is trust' -l json -d 'Print one JSON object'
complete -c coffer-client -n '__coffer_client_is trust' -l yes -d 'Answer yes to the question whether everything that is remembered shall be deleted'
complete -c coffer-client -n '__coffer_client_is trust' -a 'clear reset'
complete -c coffer-client -n '__coffer_client_is keygen' -l bare -d 'Make an identity that the server knows by a bare NaCl key of 64 hex digits (suite 0)'
complete -c coffer-client -n '__coffer_client_is keygen' -F
complete -c coffer-client -n '__coffer_client_is id' -l identity -r -F -d 'Use this identity file'
complete -c coffer-client -n '__coffer_client_is id' -l bare -d 'Print the bare NaCl key, 64 hex digits'
complete -c coffer-client -n '__coffer_client_is id' -l config -r -F -d 'Read this configuration file, for what no option and no variable sets'
complete -c coffer-client -n '__coffer_client_is config' -l server -x -d 'Ask the server with this address, which `coffer-companion address` prints'
complete -c coffer-client -n '__coffer_client_is config' -l identity -r -F -d 'Use this identity file'
complete -c coffer-client -n '__coffer_client_is config' -l bare -d 'Use the identity\'s bare NaCl key (suite 0)'
complete -c coffer-client -n '__coffer_client_is config' -l config -r -F -d 'Read this configuration file, for what no option and no variable sets'
complete -c coffer-client -n '__coffer_client_is config' -l state -x -a '(__fish_complete_directories)' -d 'Remember the newest release, and keep the sealed cache, in this folder'
complete -c coffer-client -n '__coffer_client_is config' -l timeout -x -d 'Wait at most this long for the server, in all'
complete -c coffer-client -n '__coffer_client_is config' -l no-cache -d 'Keep no cache, and use none'
complete -c coffer-client -n '__coffer_client_is config' -l max-stale -x -d 'If no server answers, or the answer is refused, use a cache that is at most this old: 30m, 12h, 7d; 0 for never'
complete -c coffer-client -n '__coffer_client_is config' -l json -d 'Print one JSON object'
complete -c coffer-client -n '__coffer_client_is doctor' -l server -x -d 'Ask the server with this address, which `coffer-companion address` prints'
complete -c coffer-client -n '__coffer_client_is doctor' -l identity -r -F -d 'Use this identity file'
complete -c coffer-client -n '__coffer_client_is doctor' -l bare -d 'Use the identity\'s bare NaCl key (suite 0)'
complete -c coffer-client -n '__coffer_client_is doctor' -l config -r -F -d 'Read this configuration file, for what no option and no variable sets'
complete -c coffer-client -n '__coffer_client_is doctor' -l state -x -a '(__fish_complete_directories)' -d 'Remember the newest release, and keep the sealed cache, in this folder'
complete -c coffer-client -n '__coffer_client_is doctor' -l timeout -x -d 'Wait at most this long for the server, in all'
complete -c coffer-client -n '__coffer_client_is doctor' -l no-cache -d 'Keep no cache, and use none'
complete -c coffer-client -n '__coffer_client_is doctor' -l max-stale -x -d 'If no server answers, or the answer is refused, use a cache that is at most this old: 30m, 12h, 7d; 0 for never'
complete -c coffer-client -n '__coffer_client_is doctor' -l json -d 'Print one JSON object'
complete -c coffer-client -n '__coffer_client_is completion' -a 'bash zsh fish'
