# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_kgate_global_optspecs
    string join \n config= data-dir= server= admin-key-file= ca= client-cert= client-key= format= json q/quiet h/help V/version
end

function __fish_kgate_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_kgate_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_kgate_using_subcommand
    set -l cmd (__fish_kgate_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c kgate -n "__fish_kgate_needs_command" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_needs_command" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_needs_command" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_needs_command" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_needs_command" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_needs_command" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_needs_command" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_needs_command" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_needs_command" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_needs_command" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_needs_command" -s V -l version -d 'Print version'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "init" -d 'Write a configuration and make a data directory'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "demo" -d 'Show a key\'s whole life against a bundled backend, in a temporary directory'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "serve" -d 'Run the gateway'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "check" -d 'Check the configuration, with every mistake at once'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "explain" -d 'Say what would become of a request, which rule decides, and what a backend would get'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "consumer" -d 'Create, list and change those who hold keys'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "key" -d 'Create, list, change, rotate and revoke keys'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "leak-scan" -d 'Find leaked keys, say which of them work, and end them'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "leak-hook" -d 'Have git refuse commits and pushes that bring keys'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "leak-rules" -d 'Write our prefixes as rules for other scanners'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "usage" -d 'Show how much keys, consumers and routes were used'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "signing-key" -d 'Make, rotate and list the keys that sign tokens for backends'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "tls" -d 'Make certificates to try TLS with'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "admin-key" -d 'Create, list, rotate and revoke the keys of those who manage kgate'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "portal" -d 'Invite consumers to the portal, list who is signed in, and sign them out'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "audit" -d 'Show who did what, when and why'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "backup" -d 'Write a consistent copy of the store to a file, while it is in use'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "restore" -d 'Merge a backup into the store'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "status" -d 'Show what the running server does, live, and whether anything is wrong'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "doctor" -d 'Look at everything that can be wrong with the data directory'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "man" -d 'Print a manual page, or write all of them'
complete -c kgate -n "__fish_kgate_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand init" -l prefix -d 'What every key starts with, such as acme: keys will be `acme_live_…` and `acme_test_…`' -r
complete -c kgate -n "__fish_kgate_using_subcommand init" -l upstream -d 'The service behind the gateway' -r
complete -c kgate -n "__fish_kgate_using_subcommand init" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand init" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand init" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand init" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand init" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand init" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand init" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand init" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand init" -s y -l yes -d 'Take defaults instead of asking'
complete -c kgate -n "__fish_kgate_using_subcommand init" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand init" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand demo" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand demo" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand demo" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand demo" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand demo" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand demo" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand demo" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand demo" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand demo" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand demo" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand serve" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand serve" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand serve" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand serve" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand serve" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand serve" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand serve" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand serve" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand serve" -l shared -d 'Serve beside another `kgate serve` on the same data directory; rates then count per process'
complete -c kgate -n "__fish_kgate_using_subcommand serve" -l upgrade -d 'Take over from the `kgate serve` that runs on the same data directory, without a pause'
complete -c kgate -n "__fish_kgate_using_subcommand serve" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand serve" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand check" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand check" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand check" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand check" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand check" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand check" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand check" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand check" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand check" -l strict -d 'Let warnings fail, too'
complete -c kgate -n "__fish_kgate_using_subcommand check" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand check" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l key-id -d 'The key it would bring, key_…; without it, none' -r
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l ip -d 'Address of the client' -r
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l host -d 'Host of the request' -r
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l client-certificate -d 'The certificate the client would show: a name in it (`cn:NAME`, `dns:NAME`, `email:NAME`, `uri:NAME`, `subject:NAME`), several times for several, or its file (PEM)' -r
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l origin -d 'Page the request comes from, `https://app.example.com`, for keys whose type is bound to origins' -r
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand explain" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand explain" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -f -a "create" -d 'Create a consumer'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -f -a "list" -d 'List consumers; filters combine'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -f -a "show" -d 'Show a consumer'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -f -a "update" -d 'Change a consumer; what is not named stays'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -f -a "disable" -d 'Make all keys of a consumer stop working, until it is enabled again'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -f -a "enable" -d 'Let the keys of a consumer work again'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -f -a "delete" -d 'Revoke all keys of a consumer and delete it'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and not __fish_seen_subcommand_from create list show update disable enable delete help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l external-id -d 'Its name in your own system; unique' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l contact -d 'Whom to ask, for example an e-mail address' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l plan -d 'Its plan, one of the configuration\'s; the default plan otherwise' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l meta -d 'Metadata, which may be forwarded to backends; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l tag -d 'Label for lists and bulk acts, never forwarded; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l tag -d 'Only those with this tag; repeatable, and then with all of them' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l plan -d 'Only those with this plan of their own' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l state -d 'Only enabled or only disabled ones' -r -f -a "enabled\t''
disabled\t''"
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l name -d 'Only those whose name contains this, whatever the case' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from show" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from show" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from show" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from show" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from show" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from show" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from show" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from show" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from show" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l name -d 'Another name' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l external-id -d 'Another external id; empty removes it' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l contact -d 'Another contact; empty removes it' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l plan -d 'Another plan; empty goes back to the default plan' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l meta -d 'Metadata to add or replace; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l unset-meta -d 'Metadata to remove; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l tag -d 'Label to add; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l untag -d 'Label to remove; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from disable" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from disable" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from disable" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from disable" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from disable" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from disable" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from disable" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from disable" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from disable" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from disable" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from disable" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from disable" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from enable" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from enable" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from enable" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from enable" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from enable" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from enable" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from enable" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from enable" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from enable" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from enable" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from enable" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from enable" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -l dry-run -d 'Only say which keys would be revoked'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -s y -l yes -d 'Do not ask'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from help" -f -a "create" -d 'Create a consumer'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from help" -f -a "list" -d 'List consumers; filters combine'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show a consumer'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from help" -f -a "update" -d 'Change a consumer; what is not named stays'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from help" -f -a "disable" -d 'Make all keys of a consumer stop working, until it is enabled again'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from help" -f -a "enable" -d 'Let the keys of a consumer work again'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Revoke all keys of a consumer and delete it'
complete -c kgate -n "__fish_kgate_using_subcommand consumer; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "create" -d 'Create a key and print it, once'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "list" -d 'List keys; filters combine'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "export" -d 'Write a list of keys for use elsewhere'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "show" -d 'Show a key'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "update" -d 'Change a key; what is not named stays'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "rotate" -d 'Replace a key by a new one and print that, once'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "rotation-status" -d 'Show replaced keys that still work: may they be let go?'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "rehash-status" -d 'Show how many keys depend on each pepper'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "revoke" -d 'Revoke keys, for good'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "disable" -d 'Make a key stop working, until it is enabled again'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "enable" -d 'Let a disabled key work again'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "prune" -d 'Remove keys that were revoked long ago'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "verify" -d 'Say what the gateway would answer to a key, and why, spending nothing'
complete -c kgate -n "__fish_kgate_using_subcommand key; and not __fish_seen_subcommand_from create list export show update rotate rotation-status rehash-status revoke disable enable prune verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l consumer -d 'Who will hold it: identifier, external id or unambiguous name' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l name -d 'What people call it' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l type -d 'Its key type, one of the configuration\'s; the first otherwise' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l scope -d 'What it may do, such as products:read; repeatable, or separated by commas' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l expires -d 'When it stops working: 90d, a date, an RFC 3339 time, or never; its type\'s `default_expires` otherwise' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l not-before -d 'When it begins to work; at once otherwise' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l ip -d 'Network it may be used from, such as 10.0.0.0/8; repeatable; anywhere otherwise' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l plan -d 'A plan of its own, instead of its consumer\'s' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l meta -d 'Metadata, over its consumer\'s; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l count -d 'Create this many alike; JSON is then an array' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l consumer -d 'Only those of this consumer: identifier, external id or unambiguous name' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l tag -d 'Only those of consumers with this tag; repeatable, and then with all of them' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l status -d 'Only those with this status; repeatable, and then with any of them' -r -f -a "active\t''
scheduled\t''
disabled\t''
expired\t''
revoked\t''"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l type -d 'Only those of this key type' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l expiring -d 'Only those that still work and expire within this time' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l unused-for -d 'Only those not used (or, if never, not created) for this long' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l scope -d 'Only those that hold this scope, themselves or by a wildcard' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l name -d 'Only those whose name contains this, whatever the case' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l never-rotated -d 'Only those that were never rotated: neither made by a rotation nor replaced'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -l output -d 'Write to this file, readable by its owner only, in place of standard output' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -l digests -d 'Write digests and status'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -l details -d 'Add identifiers, names and key types, and the consumers\' names'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from show" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from show" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from show" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from show" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from show" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from show" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from show" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from show" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from show" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l name -d 'Another name' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l plan -d 'Another plan of its own; empty goes back to its consumer\'s' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l ip -d 'The networks it may be used from, instead of those it has; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l expires -d 'When it stops working: 90d, a date, an RFC 3339 time, or never' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l not-before -d 'When it begins to work; `never` is no time to begin and means at once' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l meta -d 'Metadata to add or replace; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l unset-meta -d 'Metadata to remove; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l any-ip -d 'Let it be used from anywhere'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -l grace -d 'How long the old key goes on working; 0s ends it at once' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -l expires -d 'When the new key stops working: 90d, a date, an RFC 3339 time, or never; its type\'s `default_expires` otherwise' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotation-status" -l consumer -d 'Only those of this consumer: identifier, external id or unambiguous name' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotation-status" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotation-status" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotation-status" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotation-status" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotation-status" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotation-status" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotation-status" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotation-status" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotation-status" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotation-status" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rotation-status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rehash-status" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rehash-status" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rehash-status" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rehash-status" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rehash-status" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rehash-status" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rehash-status" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rehash-status" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rehash-status" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rehash-status" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from rehash-status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l consumer -d 'All keys of this consumer: identifier, external id or unambiguous name' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l tag -d 'All keys of consumers with this tag; repeatable, and then with all of them' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l reason -d 'Why' -r -f -a "unspecified\t'Nobody said'
rotation\t'A successor took its place'
leak\t'It was seen where it should not be'
abuse\t'Its holder misused it'
closure\t'Its holder left'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l note -d 'Why, in your words, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l stdin -d 'Identifiers or the keys themselves on standard input, one a line'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l dry-run -d 'Only say what would be revoked'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -s y -l yes -d 'Do not ask'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from disable" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from disable" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from disable" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from disable" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from disable" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from disable" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from disable" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from disable" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from disable" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from disable" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from disable" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from disable" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from enable" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from enable" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from enable" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from enable" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from enable" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from enable" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from enable" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from enable" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from enable" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from enable" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from enable" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from enable" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -l revoked-before -d 'Those revoked before this: 1y ago, a date, or an RFC 3339 time' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -l dry-run -d 'Only say which would be removed'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -s y -l yes -d 'Do not ask'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l path -d 'Path of the request, and its query' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l method -d 'Method of the request' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l ip -d 'Address of the client' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l host -d 'Host of the request' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l client-certificate -d 'The certificate the client would show: a name in it (`cn:NAME`, `dns:NAME`, `email:NAME`, `uri:NAME`, `subject:NAME`), several times for several, or its file (PEM)' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l origin -d 'Page the request comes from, `https://app.example.com`, for keys whose type is bound to origins' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "create" -d 'Create a key and print it, once'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "list" -d 'List keys; filters combine'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "export" -d 'Write a list of keys for use elsewhere'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show a key'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "update" -d 'Change a key; what is not named stays'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "rotate" -d 'Replace a key by a new one and print that, once'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "rotation-status" -d 'Show replaced keys that still work: may they be let go?'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "rehash-status" -d 'Show how many keys depend on each pepper'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'Revoke keys, for good'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "disable" -d 'Make a key stop working, until it is enabled again'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "enable" -d 'Let a disabled key work again'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "prune" -d 'Remove keys that were revoked long ago'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Say what the gateway would answer to a key, and why, spending nothing'
complete -c kgate -n "__fish_kgate_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l history -d 'Read a whole repository: every commit, tag, note and stash of all refs, and git\'s own files' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l since -d 'Read the commits of HEAD that REV does not have' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l range -d 'Read the commits that B has and A does not, written A..B' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l prefix -d 'What keys begin with, instead of the configuration\'s key types; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l digests -d 'Ask this list of digests instead of a store; `kgate key export --digests` makes one' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l pepper-file -d 'A pepper some digests are under; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l format -d 'Form of the report' -r -f -a "text\t'For people'
json\t'One object with everything'
jsonl\t'A line for each key, then one for the rest'
sarif\t'SARIF 2.1.0, for code hosts'
gitlab\t'GitLab\'s report of secrets detected'
junit\t'XML that CI servers read: keys as failed tests'
csv\t'A line for each key'"
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l output -d 'Write the report to this file, readable by its owner only' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l max-places -d 'Places remembered of each key; all are counted [default: 1000, of which 10 are shown as text]' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l fail-on -d 'Which keys are a reason to exit with 1; comma-separated' -r -f -a "active\t'It works'
scheduled\t'It will work'
disabled\t'It is switched off, and can be switched on'
expired\t'Its time is over'
revoked\t'It was ended for good'
unknown\t'The store does not know it'
unverified\t'Nobody could be asked'
any\t'Whatever it is'
none\t'Nothing'"
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l baseline -d 'Accept the keys of this baseline' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l write-baseline -d 'Write what is found now as a baseline' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l ignore-file -d 'Accept what this file names, as .kgateignore; repeatable' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l threads -d 'Threads; one for each core, if not given' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l memory -d 'Memory to use, roughly' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l unpack-bytes -d 'What one file may expand to, with all archives in it; the rest is not read, and told of' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l unpack-time -d 'CPU time one file may take, with all archives in it; the rest is not read, and told of' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l stdin -d 'Read standard input'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l follow-links -d 'Follow symbolic links inside directories, also out of them'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l staged -d 'Read what is staged: for pre-commit hooks; see `kgate leak-hook`'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l pre-receive -d 'Read what a push brings, from "old new ref" lines on standard input: for pre-receive hooks'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l all-objects -d 'Read also what no ref leads to: dropped stashes, amended commits'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l reveal -d 'Print the keys themselves, too'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l allow-active -d 'Let baseline, .kgateignore and kgate:allow accept keys that work, too'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l revoke -d 'Revoke the keys found that work, after asking; where they were found goes to the audit log'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -s y -l yes -d 'Do not ask'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l dry-run -d 'Only say what would be revoked'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand leak-scan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -f -a "install" -d 'Install a hook that runs `kgate leak-scan`'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -f -a "status" -d 'Say whether a hook of kgate\'s is there'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -f -a "remove" -d 'Remove kgate\'s hook, and put back the one it ran first'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and not __fish_seen_subcommand_from install status remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -l pre-commit -d 'The hook before a commit, which looks at what is staged'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -l pre-receive -d 'The hook of a server before a push is accepted, which looks at what it brings'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -l chain -d 'Run the hook that is there first, and kgate if it agrees'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -l pre-commit -d 'The hook before a commit, which looks at what is staged'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -l pre-receive -d 'The hook of a server before a push is accepted, which looks at what it brings'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -l pre-commit -d 'The hook before a commit, which looks at what is staged'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -l pre-receive -d 'The hook of a server before a push is accepted, which looks at what it brings'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from help" -f -a "install" -d 'Install a hook that runs `kgate leak-scan`'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from help" -f -a "status" -d 'Say whether a hook of kgate\'s is there'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove kgate\'s hook, and put back the one it ran first'
complete -c kgate -n "__fish_kgate_using_subcommand leak-hook; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -l format -d 'For which tool' -r -f -a "gitleaks\t'gitleaks 8: gitleaks detect --config FILE'
betterleaks\t'betterleaks: betterleaks --config FILE'
kingfisher\t'Kingfisher: kingfisher scan --rules-path FILE --load-builtins=false --no-validate'
trufflehog\t'`TruffleHog`: trufflehog filesystem --config FILE --no-verification'
github\t'GitHub\'s custom patterns and its partner program, as JSON'
ripgrep\t'ripgrep: rg -uu --text --file FILE'"
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -l prefix -d 'What keys begin with, instead of the configuration\'s key types; repeatable' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -l output -d 'Write to this file, in place of standard output' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -l publishable -d 'Write rules for publishable types, too'
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand leak-rules" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand usage" -l since -d 'Since then: 24h ago, a date, or an RFC 3339 time' -r
complete -c kgate -n "__fish_kgate_using_subcommand usage" -l by -d 'One row for each of these; by default keys, or routes if a key was named' -r -f -a "key\t'A key'
consumer\t'A consumer, with all its keys'
route\t'A route'
call\t'A key on a route: who called what'
time\t'A minute, hour or day, as --since allows'"
complete -c kgate -n "__fish_kgate_using_subcommand usage" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand usage" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand usage" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand usage" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand usage" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand usage" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand usage" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand usage" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand usage" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand usage" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand usage" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -f -a "create" -d 'Make the first signing key, which signs at once'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -f -a "rotate" -d 'Replace the signing key by a new one, with an overlap'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -f -a "list" -d 'List the signing keys, and which of them signs'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -f -a "jwks" -d 'Print the public parts as a JSON Web Key Set, for backends that cannot reach the admin listener'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -f -a "remove" -d 'Remove a signing key for good: backends refuse its tokens once they fetch the key set anew'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and not __fish_seen_subcommand_from create rotate list jwks remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from create" -l algorithm -d '`EdDSA` or `ES256`' -r
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from create" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from create" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from create" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from create" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from create" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from create" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from create" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from create" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from create" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -l algorithm -d '`EdDSA` or `ES256`' -r
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -l lead -d 'How long the new key is published before it signs: longer than backends keep the key set' -r
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from list" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from list" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from list" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from list" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from list" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from list" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from list" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from list" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from list" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from jwks" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from jwks" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from jwks" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from jwks" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from jwks" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from jwks" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from jwks" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from jwks" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from jwks" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from jwks" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from jwks" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from remove" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from remove" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from remove" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from remove" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from remove" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from remove" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from remove" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from remove" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from remove" -l force -d 'Even if it is the one that signs'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from remove" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make the first signing key, which signs at once'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from help" -f -a "rotate" -d 'Replace the signing key by a new one, with an overlap'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the signing keys, and which of them signs'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from help" -f -a "jwks" -d 'Print the public parts as a JSON Web Key Set, for backends that cannot reach the admin listener'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a signing key for good: backends refuse its tokens once they fetch the key set anew'
complete -c kgate -n "__fish_kgate_using_subcommand signing-key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -f -a "self-signed" -d 'Make a certificate nobody vouches for, and its key'
complete -c kgate -n "__fish_kgate_using_subcommand tls; and not __fish_seen_subcommand_from self-signed help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -l dir -d 'Where to write cert.pem and key.pem; made for you alone if it is not there' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -l expires -d 'How long it holds, `90d`, `1y`' -r
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -l force -d 'Replace files that are there'
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from self-signed" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from help" -f -a "self-signed" -d 'Make a certificate nobody vouches for, and its key'
complete -c kgate -n "__fish_kgate_using_subcommand tls; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -f -a "create" -d 'Create an admin key and print it, once'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -f -a "list" -d 'List admin keys'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -f -a "show" -d 'Show an admin key'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -f -a "rotate" -d 'Replace an admin key by a new one of the same name and role, and print that, once'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -f -a "revoke" -d 'Revoke an admin key, for good'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and not __fish_seen_subcommand_from create list show rotate revoke help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l name -d 'Whose it is: a person, or the system that will use it' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l role -d 'What it may do' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l expires -d 'When it stops working: 90d, a date, an RFC 3339 time, or never' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from list" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from list" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from list" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from list" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from list" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from list" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from list" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from list" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from list" -l all -d 'Those that no longer work, too'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from list" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from show" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from show" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from show" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from show" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from show" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from show" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from show" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from show" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from show" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -l grace -d 'How long the old one goes on working; 0s ends it at once' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -l expires -d 'When the new one stops working: 90d, a date, an RFC 3339 time, or never' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from revoke" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from revoke" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from revoke" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from revoke" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from revoke" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from revoke" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from revoke" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from revoke" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from revoke" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from revoke" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from revoke" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from help" -f -a "create" -d 'Create an admin key and print it, once'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from help" -f -a "list" -d 'List admin keys'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show an admin key'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from help" -f -a "rotate" -d 'Replace an admin key by a new one of the same name and role, and print that, once'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'Revoke an admin key, for good'
complete -c kgate -n "__fish_kgate_using_subcommand admin-key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -f -a "invite" -d 'Make a link by which a consumer signs in, once'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -f -a "list" -d 'List who is signed in, and open invitations'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -f -a "withdraw" -d 'Withdraw one open invitation: its link lets nobody in any more'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -f -a "sign-out" -d 'End the sessions of a consumer or of an admin key, and withdraw open invitations'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and not __fish_seen_subcommand_from invite list withdraw sign-out help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -l expires -d 'How long the link is good: 3d, 12h, a date, an RFC 3339 time; the configuration\'s if nothing is said' -r
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from invite" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from list" -l consumer -d 'Only those of this consumer' -r
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from list" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from list" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from list" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from list" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from list" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from list" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from list" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from list" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from list" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from withdraw" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from withdraw" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from withdraw" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from withdraw" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from withdraw" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from withdraw" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from withdraw" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from withdraw" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from withdraw" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from withdraw" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from withdraw" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from withdraw" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from sign-out" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from sign-out" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from sign-out" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from sign-out" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from sign-out" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from sign-out" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from sign-out" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from sign-out" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from sign-out" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from sign-out" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from sign-out" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from sign-out" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from help" -f -a "invite" -d 'Make a link by which a consumer signs in, once'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from help" -f -a "list" -d 'List who is signed in, and open invitations'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from help" -f -a "withdraw" -d 'Withdraw one open invitation: its link lets nobody in any more'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from help" -f -a "sign-out" -d 'End the sessions of a consumer or of an admin key, and withdraw open invitations'
complete -c kgate -n "__fish_kgate_using_subcommand portal; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -s n -l last -d 'Only the last rows; all with 0' -r
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l key -d 'Only rows about this key or admin key' -r
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l consumer -d 'Only rows about this consumer: identifier, external id or unambiguous name' -r
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l action -d 'Only rows of this action, such as key.revoked, or of all that begin so, such as key' -r
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l actor -d 'Only rows by this user' -r
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l since -d 'Only rows since then: 24h ago, a date, or an RFC 3339 time' -r
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l alerts -d 'Show uses of keys that had ended instead: one row a key and day, the latest first'
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -s f -l follow -d 'Go on and show new rows as they come, until interrupted; as JSON, one a line'
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -f -a "verify" -d 'Check the whole chain: changed rows, missing rows, a log cut short'
complete -c kgate -n "__fish_kgate_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l head -d 'A head that was printed, logged or sent before, of a log that must still contain it' -r
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check the whole chain: changed rows, missing rows, a log cut short'
complete -c kgate -n "__fish_kgate_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand backup" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand backup" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand backup" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand backup" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand backup" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand backup" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand backup" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand backup" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand backup" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand backup" -l overwrite -d 'Replace the file if it exists'
complete -c kgate -n "__fish_kgate_using_subcommand backup" -l unlogged -d 'Make it although the audit log will not know of it: where the store cannot be written'
complete -c kgate -n "__fish_kgate_using_subcommand backup" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand backup" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand restore" -l note -d 'Why, for the audit log' -r
complete -c kgate -n "__fish_kgate_using_subcommand restore" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand restore" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand restore" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand restore" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand restore" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand restore" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand restore" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand restore" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand restore" -l dry-run -d 'Only say what would be done'
complete -c kgate -n "__fish_kgate_using_subcommand restore" -s y -l yes -d 'Do not ask'
complete -c kgate -n "__fish_kgate_using_subcommand restore" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand restore" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand status" -l every -d 'How often the picture is refreshed: 1s, 500ms, 1m' -r
complete -c kgate -n "__fish_kgate_using_subcommand status" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand status" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand status" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand status" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand status" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand status" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand status" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand status" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand status" -l once -d 'Print it once, on a terminal, too'
complete -c kgate -n "__fish_kgate_using_subcommand status" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand status" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -l note -d 'Why, for the audit log, of what is changed' -r
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -l migrate -d 'Back an older store up and bring it to this version\'s format'
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -l accept-older-store -d 'Say what would be lost by going on with a store that is older than the one last served, and go on'
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -s y -l yes -d 'Do not ask'
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand completions" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand completions" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand completions" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand completions" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand completions" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand completions" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand completions" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand completions" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand completions" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand completions" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand man" -l dir -d 'Write every page into this directory instead' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand man" -l config -d 'Configuration file' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand man" -l data-dir -d 'Data directory, instead of the configuration\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand man" -l server -d 'Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH' -r
complete -c kgate -n "__fish_kgate_using_subcommand man" -l admin-key-file -d 'File with the admin key for --server' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand man" -l ca -d 'Authorities that vouch for --server, PEM, instead of this machine\'s' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand man" -l client-cert -d 'Certificate to show to --server, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand man" -l client-key -d 'Private key of --client-cert, PEM' -r -F
complete -c kgate -n "__fish_kgate_using_subcommand man" -l format -d 'Form of the result' -r -f -a "table\t'For people'
json\t'For programs: an object, or an array with one element a line'
jsonl\t'For programs that read line by line: one object a line'
csv\t'For spreadsheets: a heading, then a line each'"
complete -c kgate -n "__fish_kgate_using_subcommand man" -l json -d 'Short for --format json'
complete -c kgate -n "__fish_kgate_using_subcommand man" -s q -l quiet -d 'Print results, warnings and errors only'
complete -c kgate -n "__fish_kgate_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "init" -d 'Write a configuration and make a data directory'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "demo" -d 'Show a key\'s whole life against a bundled backend, in a temporary directory'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "serve" -d 'Run the gateway'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "check" -d 'Check the configuration, with every mistake at once'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "explain" -d 'Say what would become of a request, which rule decides, and what a backend would get'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "consumer" -d 'Create, list and change those who hold keys'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "key" -d 'Create, list, change, rotate and revoke keys'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "leak-scan" -d 'Find leaked keys, say which of them work, and end them'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "leak-hook" -d 'Have git refuse commits and pushes that bring keys'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "leak-rules" -d 'Write our prefixes as rules for other scanners'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "usage" -d 'Show how much keys, consumers and routes were used'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "signing-key" -d 'Make, rotate and list the keys that sign tokens for backends'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "tls" -d 'Make certificates to try TLS with'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "admin-key" -d 'Create, list, rotate and revoke the keys of those who manage kgate'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "portal" -d 'Invite consumers to the portal, list who is signed in, and sign them out'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "audit" -d 'Show who did what, when and why'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "backup" -d 'Write a consistent copy of the store to a file, while it is in use'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "restore" -d 'Merge a backup into the store'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "status" -d 'Show what the running server does, live, and whether anything is wrong'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "doctor" -d 'Look at everything that can be wrong with the data directory'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "completions" -d 'Print the completion script of a shell'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "man" -d 'Print a manual page, or write all of them'
complete -c kgate -n "__fish_kgate_using_subcommand help; and not __fish_seen_subcommand_from init demo serve check explain consumer key leak-scan leak-hook leak-rules usage signing-key tls admin-key portal audit backup restore status doctor completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from consumer" -f -a "create" -d 'Create a consumer'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from consumer" -f -a "list" -d 'List consumers; filters combine'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from consumer" -f -a "show" -d 'Show a consumer'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from consumer" -f -a "update" -d 'Change a consumer; what is not named stays'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from consumer" -f -a "disable" -d 'Make all keys of a consumer stop working, until it is enabled again'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from consumer" -f -a "enable" -d 'Let the keys of a consumer work again'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from consumer" -f -a "delete" -d 'Revoke all keys of a consumer and delete it'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "create" -d 'Create a key and print it, once'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "list" -d 'List keys; filters combine'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "export" -d 'Write a list of keys for use elsewhere'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "show" -d 'Show a key'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "update" -d 'Change a key; what is not named stays'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "rotate" -d 'Replace a key by a new one and print that, once'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "rotation-status" -d 'Show replaced keys that still work: may they be let go?'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "rehash-status" -d 'Show how many keys depend on each pepper'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "revoke" -d 'Revoke keys, for good'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "disable" -d 'Make a key stop working, until it is enabled again'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "enable" -d 'Let a disabled key work again'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "prune" -d 'Remove keys that were revoked long ago'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "verify" -d 'Say what the gateway would answer to a key, and why, spending nothing'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from leak-hook" -f -a "install" -d 'Install a hook that runs `kgate leak-scan`'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from leak-hook" -f -a "status" -d 'Say whether a hook of kgate\'s is there'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from leak-hook" -f -a "remove" -d 'Remove kgate\'s hook, and put back the one it ran first'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from signing-key" -f -a "create" -d 'Make the first signing key, which signs at once'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from signing-key" -f -a "rotate" -d 'Replace the signing key by a new one, with an overlap'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from signing-key" -f -a "list" -d 'List the signing keys, and which of them signs'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from signing-key" -f -a "jwks" -d 'Print the public parts as a JSON Web Key Set, for backends that cannot reach the admin listener'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from signing-key" -f -a "remove" -d 'Remove a signing key for good: backends refuse its tokens once they fetch the key set anew'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from tls" -f -a "self-signed" -d 'Make a certificate nobody vouches for, and its key'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from admin-key" -f -a "create" -d 'Create an admin key and print it, once'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from admin-key" -f -a "list" -d 'List admin keys'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from admin-key" -f -a "show" -d 'Show an admin key'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from admin-key" -f -a "rotate" -d 'Replace an admin key by a new one of the same name and role, and print that, once'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from admin-key" -f -a "revoke" -d 'Revoke an admin key, for good'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from portal" -f -a "invite" -d 'Make a link by which a consumer signs in, once'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from portal" -f -a "list" -d 'List who is signed in, and open invitations'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from portal" -f -a "withdraw" -d 'Withdraw one open invitation: its link lets nobody in any more'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from portal" -f -a "sign-out" -d 'End the sessions of a consumer or of an admin key, and withdraw open invitations'
complete -c kgate -n "__fish_kgate_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "verify" -d 'Check the whole chain: changed rows, missing rows, a log cut short'
