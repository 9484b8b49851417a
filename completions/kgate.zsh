#compdef kgate

autoload -U is-at-least

_kgate() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_kgate_commands" \
"*::: :->kgate" \
&& ret=0
    case $state in
    (kgate)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-command-$line[1]:"
        case $line[1] in
            (init)
_arguments "${_arguments_options[@]}" : \
'--prefix=[What every key starts with, such as acme\: keys will be \`acme_live_…\` and \`acme_test_…\`]:PREFIX:_default' \
'--upstream=[The service behind the gateway]:HOST:PORT:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'-y[Take defaults instead of asking]' \
'--yes[Take defaults instead of asking]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(demo)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(serve)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--shared[Serve beside another \`kgate serve\` on the same data directory; rates then count per process]' \
'(--shared)--upgrade[Take over from the \`kgate serve\` that runs on the same data directory, without a pause]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--strict[Let warnings fail, too]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(explain)
_arguments "${_arguments_options[@]}" : \
'--key-id=[The key it would bring, key_…; without it, none]:KEY:_default' \
'--ip=[Address of the client]:ADDRESS:_default' \
'--host=[Host of the request]:HOST:_default' \
'*--client-certificate=[The certificate the client would show\: a name in it (\`cn\:NAME\`, \`dns\:NAME\`, \`email\:NAME\`, \`uri\:NAME\`, \`subject\:NAME\`), several times for several, or its file (PEM)]:NAME|FILE:_default' \
'--origin=[Page the request comes from, \`https\://app.example.com\`, for keys whose type is bound to origins]:ORIGIN:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':method -- Method of the request:_default' \
':path -- Path of the request, and its query:_default' \
&& ret=0
;;
(consumer)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_kgate__subcmd__consumer_commands" \
"*::: :->consumer" \
&& ret=0

    case $state in
    (consumer)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-consumer-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
'--external-id=[Its name in your own system; unique]:ID:_default' \
'--contact=[Whom to ask, for example an e-mail address]:CONTACT:_default' \
'--plan=[Its plan, one of the configuration'\''s; the default plan otherwise]:PLAN:_default' \
'*--meta=[Metadata, which may be forwarded to backends; repeatable]:KEY=VALUE:_default' \
'*--tag=[Label for lists and bulk acts, never forwarded; repeatable]:TAG:_default' \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- What people call it; need not be unique:_default' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'*--tag=[Only those with this tag; repeatable, and then with all of them]:TAG:_default' \
'--plan=[Only those with this plan of their own]:PLAN:_default' \
'--state=[Only enabled or only disabled ones]:STATE:(enabled disabled)' \
'--name=[Only those whose name contains this, whatever the case]:TEXT:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':consumer -- Its identifier, external id or unambiguous name:_default' \
&& ret=0
;;
(update)
_arguments "${_arguments_options[@]}" : \
'--name=[Another name]:NAME:_default' \
'--external-id=[Another external id; empty removes it]:ID:_default' \
'--contact=[Another contact; empty removes it]:CONTACT:_default' \
'--plan=[Another plan; empty goes back to the default plan]:PLAN:_default' \
'*--meta=[Metadata to add or replace; repeatable]:KEY=VALUE:_default' \
'*--unset-meta=[Metadata to remove; repeatable]:KEY:_default' \
'*--tag=[Label to add; repeatable]:TAG:_default' \
'*--untag=[Label to remove; repeatable]:TAG:_default' \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':consumer -- Its identifier, external id or unambiguous name:_default' \
&& ret=0
;;
(disable)
_arguments "${_arguments_options[@]}" : \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':consumer -- Its identifier, external id or unambiguous name:_default' \
&& ret=0
;;
(enable)
_arguments "${_arguments_options[@]}" : \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':consumer -- Its identifier, external id or unambiguous name:_default' \
&& ret=0
;;
(delete)
_arguments "${_arguments_options[@]}" : \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--dry-run[Only say which keys would be revoked]' \
'-y[Do not ask]' \
'--yes[Do not ask]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':consumer -- Its identifier, external id or unambiguous name:_default' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__consumer__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-consumer-help-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(update)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(disable)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(enable)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(delete)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(key)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_kgate__subcmd__key_commands" \
"*::: :->key" \
&& ret=0

    case $state in
    (key)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-key-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
'--consumer=[Who will hold it\: identifier, external id or unambiguous name]:CONSUMER:_default' \
'--name=[What people call it]:NAME:_default' \
'--type=[Its key type, one of the configuration'\''s; the first otherwise]:TYPE:_default' \
'*--scope=[What it may do, such as products\:read; repeatable, or separated by commas]:SCOPE:_default' \
'--expires=[When it stops working\: 90d, a date, an RFC 3339 time, or never; its type'\''s \`default_expires\` otherwise]:WHEN:_default' \
'--not-before=[When it begins to work; at once otherwise]:WHEN:_default' \
'*--ip=[Network it may be used from, such as 10.0.0.0/8; repeatable; anywhere otherwise]:CIDR:_default' \
'--plan=[A plan of its own, instead of its consumer'\''s]:PLAN:_default' \
'*--meta=[Metadata, over its consumer'\''s; repeatable]:KEY=VALUE:_default' \
'--count=[Create this many alike; JSON is then an array]:N:_default' \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--consumer=[Only those of this consumer\: identifier, external id or unambiguous name]:CONSUMER:_default' \
'*--tag=[Only those of consumers with this tag; repeatable, and then with all of them]:TAG:_default' \
'*--status=[Only those with this status; repeatable, and then with any of them]:STATUS:(active scheduled disabled expired revoked)' \
'--type=[Only those of this key type]:TYPE:_default' \
'--expiring=[Only those that still work and expire within this time]:SPAN:_default' \
'--unused-for=[Only those not used (or, if never, not created) for this long]:SPAN:_default' \
'--scope=[Only those that hold this scope, themselves or by a wildcard]:SCOPE:_default' \
'--name=[Only those whose name contains this, whatever the case]:TEXT:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--never-rotated[Only those that were never rotated\: neither made by a rotation nor replaced]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(export)
_arguments "${_arguments_options[@]}" : \
'--output=[Write to this file, readable by its owner only, in place of standard output]:FILE:_files' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--digests[Write digests and status]' \
'--details[Add identifiers, names and key types, and the consumers'\'' names]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':key -- Its identifier, key_…:_default' \
&& ret=0
;;
(update)
_arguments "${_arguments_options[@]}" : \
'--name=[Another name]:NAME:_default' \
'--plan=[Another plan of its own; empty goes back to its consumer'\''s]:PLAN:_default' \
'(--any-ip)*--ip=[The networks it may be used from, instead of those it has; repeatable]:CIDR:_default' \
'--expires=[When it stops working\: 90d, a date, an RFC 3339 time, or never]:WHEN:_default' \
'--not-before=[When it begins to work; \`never\` is no time to begin and means at once]:WHEN:_default' \
'*--meta=[Metadata to add or replace; repeatable]:KEY=VALUE:_default' \
'*--unset-meta=[Metadata to remove; repeatable]:KEY:_default' \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--any-ip[Let it be used from anywhere]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':key -- Its identifier, key_…:_default' \
&& ret=0
;;
(rotate)
_arguments "${_arguments_options[@]}" : \
'--grace=[How long the old key goes on working; 0s ends it at once]:SPAN:_default' \
'--expires=[When the new key stops working\: 90d, a date, an RFC 3339 time, or never; its type'\''s \`default_expires\` otherwise]:WHEN:_default' \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':key -- The old key'\''s identifier, key_…:_default' \
&& ret=0
;;
(rotation-status)
_arguments "${_arguments_options[@]}" : \
'--consumer=[Only those of this consumer\: identifier, external id or unambiguous name]:CONSUMER:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(rehash-status)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(revoke)
_arguments "${_arguments_options[@]}" : \
'()--consumer=[All keys of this consumer\: identifier, external id or unambiguous name]:CONSUMER:_default' \
'()*--tag=[All keys of consumers with this tag; repeatable, and then with all of them]:TAG:_default' \
'--reason=[Why]:REASON:((unspecified\:"Nobody said"
rotation\:"A successor took its place"
leak\:"It was seen where it should not be"
abuse\:"Its holder misused it"
closure\:"Its holder left"))' \
'--note=[Why, in your words, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--consumer --tag)--stdin[Identifiers or the keys themselves on standard input, one a line]' \
'--dry-run[Only say what would be revoked]' \
'-y[Do not ask]' \
'--yes[Do not ask]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::keys -- Their identifiers, key_…:_default' \
&& ret=0
;;
(disable)
_arguments "${_arguments_options[@]}" : \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':key -- Its identifier, key_…:_default' \
&& ret=0
;;
(enable)
_arguments "${_arguments_options[@]}" : \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':key -- Its identifier, key_…:_default' \
&& ret=0
;;
(prune)
_arguments "${_arguments_options[@]}" : \
'--revoked-before=[Those revoked before this\: 1y ago, a date, or an RFC 3339 time]:WHEN:_default' \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--dry-run[Only say which would be removed]' \
'-y[Do not ask]' \
'--yes[Do not ask]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(verify)
_arguments "${_arguments_options[@]}" : \
'--path=[Path of the request, and its query]:PATH:_default' \
'--method=[Method of the request]:METHOD:_default' \
'--ip=[Address of the client]:ADDRESS:_default' \
'--host=[Host of the request]:HOST:_default' \
'*--client-certificate=[The certificate the client would show\: a name in it (\`cn\:NAME\`, \`dns\:NAME\`, \`email\:NAME\`, \`uri\:NAME\`, \`subject\:NAME\`), several times for several, or its file (PEM)]:NAME|FILE:_default' \
'--origin=[Page the request comes from, \`https\://app.example.com\`, for keys whose type is bound to origins]:ORIGIN:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__key__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-key-help-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(export)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(update)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rotate)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rotation-status)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rehash-status)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(revoke)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(disable)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(enable)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(prune)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(verify)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(leak-scan)
_arguments "${_arguments_options[@]}" : \
'--history=[Read a whole repository\: every commit, tag, note and stash of all refs, and git'\''s own files]::REPO:_files' \
'--since=[Read the commits of HEAD that REV does not have]:REV:_default' \
'--range=[Read the commits that B has and A does not, written A..B]:A..B:_default' \
'*--prefix=[What keys begin with, instead of the configuration'\''s key types; repeatable]:PREFIX:_default' \
'--digests=[Ask this list of digests instead of a store; \`kgate key export --digests\` makes one]:FILE:_files' \
'*--pepper-file=[A pepper some digests are under; repeatable]:[NAME=]FILE:_default' \
'--format=[Form of the report]:FORMAT:((text\:"For people"
json\:"One object with everything"
jsonl\:"A line for each key, then one for the rest"
sarif\:"SARIF 2.1.0, for code hosts"
gitlab\:"GitLab'\''s report of secrets detected"
junit\:"XML that CI servers read\: keys as failed tests"
csv\:"A line for each key"))' \
'--output=[Write the report to this file, readable by its owner only]:FILE:_files' \
'--max-places=[Places remembered of each key; all are counted \[default\: 1000, of which 10 are shown as text\]]:N:_default' \
'*--fail-on=[Which keys are a reason to exit with 1; comma-separated]:STATUS:((active\:"It works"
scheduled\:"It will work"
disabled\:"It is switched off, and can be switched on"
expired\:"Its time is over"
revoked\:"It was ended for good"
unknown\:"The store does not know it"
unverified\:"Nobody could be asked"
any\:"Whatever it is"
none\:"Nothing"))' \
'--baseline=[Accept the keys of this baseline]:FILE:_files' \
'--write-baseline=[Write what is found now as a baseline]:FILE:_files' \
'*--ignore-file=[Accept what this file names, as .kgateignore; repeatable]:FILE:_files' \
'--threads=[Threads; one for each core, if not given]:N:_default' \
'--memory=[Memory to use, roughly]:SIZE:_default' \
'--unpack-bytes=[What one file may expand to, with all archives in it; the rest is not read, and told of]:SIZE:_default' \
'--unpack-time=[CPU time one file may take, with all archives in it; the rest is not read, and told of]:SPAN:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--stdin[Read standard input]' \
'--follow-links[Follow symbolic links inside directories, also out of them]' \
'--staged[Read what is staged\: for pre-commit hooks; see \`kgate leak-hook\`]' \
'--pre-receive[Read what a push brings, from "old new ref" lines on standard input\: for pre-receive hooks]' \
'--all-objects[Read also what no ref leads to\: dropped stashes, amended commits]' \
'--reveal[Print the keys themselves, too]' \
'--allow-active[Let baseline, .kgateignore and kgate\:allow accept keys that work, too]' \
'(--digests)--revoke[Revoke the keys found that work, after asking; where they were found goes to the audit log]' \
'-y[Do not ask]' \
'--yes[Do not ask]' \
'--dry-run[Only say what would be revoked]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::paths -- Files and directories; - is standard input. The working directory, if none is named:_files' \
&& ret=0
;;
(leak-hook)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_kgate__subcmd__leak-hook_commands" \
"*::: :->leak-hook" \
&& ret=0

    case $state in
    (leak-hook)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-leak-hook-command-$line[1]:"
        case $line[1] in
            (install)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--pre-receive)--pre-commit[The hook before a commit, which looks at what is staged]' \
'--pre-receive[The hook of a server before a push is accepted, which looks at what it brings]' \
'--chain[Run the hook that is there first, and kgate if it agrees]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::arguments -- What else to give to `kgate leak-scan`, after --:_default' \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--pre-receive)--pre-commit[The hook before a commit, which looks at what is staged]' \
'--pre-receive[The hook of a server before a push is accepted, which looks at what it brings]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(remove)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--pre-receive)--pre-commit[The hook before a commit, which looks at what is staged]' \
'--pre-receive[The hook of a server before a push is accepted, which looks at what it brings]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__leak-hook__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-leak-hook-help-command-$line[1]:"
        case $line[1] in
            (install)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(remove)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(leak-rules)
_arguments "${_arguments_options[@]}" : \
'--format=[For which tool]:FORMAT:((gitleaks\:"gitleaks 8\: gitleaks detect --config FILE"
betterleaks\:"betterleaks\: betterleaks --config FILE"
kingfisher\:"Kingfisher\: kingfisher scan --rules-path FILE --load-builtins=false --no-validate"
trufflehog\:"\`TruffleHog\`\: trufflehog filesystem --config FILE --no-verification"
github\:"GitHub'\''s custom patterns and its partner program, as JSON"
ripgrep\:"ripgrep\: rg -uu --text --file FILE"))' \
'*--prefix=[What keys begin with, instead of the configuration'\''s key types; repeatable]:PREFIX:_default' \
'--output=[Write to this file, in place of standard output]:FILE:_files' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--publishable[Write rules for publishable types, too]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(usage)
_arguments "${_arguments_options[@]}" : \
'--since=[Since then\: 24h ago, a date, or an RFC 3339 time]:WHEN:_default' \
'--by=[One row for each of these; by default keys, or routes if a key was named]:BY:((key\:"A key"
consumer\:"A consumer, with all its keys"
route\:"A route"
call\:"A key on a route\: who called what"
time\:"A minute, hour or day, as --since allows"))' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::subject -- Only this key or consumer\: identifier, external id or unambiguous name:_default' \
&& ret=0
;;
(signing-key)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_kgate__subcmd__signing-key_commands" \
"*::: :->signing-key" \
&& ret=0

    case $state in
    (signing-key)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-signing-key-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
'--algorithm=[\`EdDSA\` or \`ES256\`]:ALGORITHM:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(rotate)
_arguments "${_arguments_options[@]}" : \
'--algorithm=[\`EdDSA\` or \`ES256\`]:ALGORITHM:_default' \
'--lead=[How long the new key is published before it signs\: longer than backends keep the key set]:SPAN:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(jwks)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(remove)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--force[Even if it is the one that signs]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':id -- The key'\''s name, sig_…:_default' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__signing-key__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-signing-key-help-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rotate)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(jwks)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(remove)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(tls)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_kgate__subcmd__tls_commands" \
"*::: :->tls" \
&& ret=0

    case $state in
    (tls)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-tls-command-$line[1]:"
        case $line[1] in
            (self-signed)
_arguments "${_arguments_options[@]}" : \
'--dir=[Where to write cert.pem and key.pem; made for you alone if it is not there]:DIR:_files' \
'--expires=[How long it holds, \`90d\`, \`1y\`]:SPAN:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--force[Replace files that are there]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::names -- Host names and addresses it is for:_default' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__tls__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-tls-help-command-$line[1]:"
        case $line[1] in
            (self-signed)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(admin-key)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_kgate__subcmd__admin-key_commands" \
"*::: :->admin-key" \
&& ret=0

    case $state in
    (admin-key)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-admin-key-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
'--name=[Whose it is\: a person, or the system that will use it]:NAME:_default' \
'--role=[What it may do]:viewer|operator|admin:_default' \
'--expires=[When it stops working\: 90d, a date, an RFC 3339 time, or never]:WHEN:_default' \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--all[Those that no longer work, too]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':admin_key -- Its identifier, akey_…:_default' \
&& ret=0
;;
(rotate)
_arguments "${_arguments_options[@]}" : \
'--grace=[How long the old one goes on working; 0s ends it at once]:SPAN:_default' \
'--expires=[When the new one stops working\: 90d, a date, an RFC 3339 time, or never]:WHEN:_default' \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':admin_key -- The old one'\''s identifier, akey_…:_default' \
&& ret=0
;;
(revoke)
_arguments "${_arguments_options[@]}" : \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':admin_key -- Its identifier, akey_…:_default' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__admin-key__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-admin-key-help-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rotate)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(revoke)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(portal)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_kgate__subcmd__portal_commands" \
"*::: :->portal" \
&& ret=0

    case $state in
    (portal)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-portal-command-$line[1]:"
        case $line[1] in
            (invite)
_arguments "${_arguments_options[@]}" : \
'--expires=[How long the link is good\: 3d, 12h, a date, an RFC 3339 time; the configuration'\''s if nothing is said]:WHEN:_default' \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':consumer -- For whom\: identifier, external id or unambiguous name:_default' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--consumer=[Only those of this consumer]:CONSUMER:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(withdraw)
_arguments "${_arguments_options[@]}" : \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':invitation -- Its name, as `kgate portal list` shows it:_default' \
&& ret=0
;;
(sign-out)
_arguments "${_arguments_options[@]}" : \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':who -- Who\: a consumer, or the identifier of an admin key:_default' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__portal__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-portal-help-command-$line[1]:"
        case $line[1] in
            (invite)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(withdraw)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(sign-out)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(audit)
_arguments "${_arguments_options[@]}" : \
'-n+[Only the last rows; all with 0]:N:_default' \
'--last=[Only the last rows; all with 0]:N:_default' \
'--key=[Only rows about this key or admin key]:KEY:_default' \
'(--key)--consumer=[Only rows about this consumer\: identifier, external id or unambiguous name]:CONSUMER:_default' \
'--action=[Only rows of this action, such as key.revoked, or of all that begin so, such as key]:ACTION:_default' \
'--actor=[Only rows by this user]:USER:_default' \
'--since=[Only rows since then\: 24h ago, a date, or an RFC 3339 time]:WHEN:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--action --actor -f --follow)--alerts[Show uses of keys that had ended instead\: one row a key and day, the latest first]' \
'-f[Go on and show new rows as they come, until interrupted; as JSON, one a line]' \
'--follow[Go on and show new rows as they come, until interrupted; as JSON, one a line]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
":: :_kgate__subcmd__audit_commands" \
"*::: :->audit" \
&& ret=0

    case $state in
    (audit)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-audit-command-$line[1]:"
        case $line[1] in
            (verify)
_arguments "${_arguments_options[@]}" : \
'--head=[A head that was printed, logged or sent before, of a log that must still contain it]:[COUNT:]HASH:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__audit__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-audit-help-command-$line[1]:"
        case $line[1] in
            (verify)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(backup)
_arguments "${_arguments_options[@]}" : \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--overwrite[Replace the file if it exists]' \
'(--note)--unlogged[Make it although the audit log will not know of it\: where the store cannot be written]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':file -- The file:_files' \
&& ret=0
;;
(restore)
_arguments "${_arguments_options[@]}" : \
'--note=[Why, for the audit log]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--dry-run[Only say what would be done]' \
'-y[Do not ask]' \
'--yes[Do not ask]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':file -- The backup:_files' \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
'(--once)--every=[How often the picture is refreshed\: 1s, 500ms, 1m]:TIME:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'--once[Print it once, on a terminal, too]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
'--note=[Why, for the audit log, of what is changed]:NOTE:_default' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--accept-older-store)--migrate[Back an older store up and bring it to this version'\''s format]' \
'--accept-older-store[Say what would be lost by going on with a store that is older than the one last served, and go on]' \
'-y[Do not ask]' \
'--yes[Do not ask]' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':shell -- The shell:((bash\:"GNU Bash"
zsh\:"The Z shell"
fish\:"fish"))' \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
'--dir=[Write every page into this directory instead]:DIR:_files' \
'--config=[Configuration file]:FILE:_files' \
'--data-dir=[Data directory, instead of the configuration'\''s]:DIR:_files' \
'--server=[Admin listener of a gateway elsewhere, instead of a data directory\: https\://HOST\:PORT or unix\:PATH]:URL:_default' \
'--admin-key-file=[File with the admin key for --server]:FILE:_files' \
'--ca=[Authorities that vouch for --server, PEM, instead of this machine'\''s]:FILE:_files' \
'--client-cert=[Certificate to show to --server, PEM]:FILE:_files' \
'--client-key=[Private key of --client-cert, PEM]:FILE:_files' \
'--format=[Form of the result]:FORMAT:((table\:"For people"
json\:"For programs\: an object, or an array with one element a line"
jsonl\:"For programs that read line by line\: one object a line"
csv\:"For spreadsheets\: a heading, then a line each"))' \
'(--format)--json[Short for --format json]' \
'-q[Print results, warnings and errors only]' \
'--quiet[Print results, warnings and errors only]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::command -- The command whose page to print:_default' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-help-command-$line[1]:"
        case $line[1] in
            (init)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(demo)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(serve)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(explain)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(consumer)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__help__subcmd__consumer_commands" \
"*::: :->consumer" \
&& ret=0

    case $state in
    (consumer)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-help-consumer-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(update)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(disable)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(enable)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(delete)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(key)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__help__subcmd__key_commands" \
"*::: :->key" \
&& ret=0

    case $state in
    (key)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-help-key-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(export)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(update)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rotate)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rotation-status)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rehash-status)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(revoke)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(disable)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(enable)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(prune)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(verify)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(leak-scan)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(leak-hook)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__help__subcmd__leak-hook_commands" \
"*::: :->leak-hook" \
&& ret=0

    case $state in
    (leak-hook)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-help-leak-hook-command-$line[1]:"
        case $line[1] in
            (install)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(remove)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(leak-rules)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(usage)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(signing-key)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__help__subcmd__signing-key_commands" \
"*::: :->signing-key" \
&& ret=0

    case $state in
    (signing-key)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-help-signing-key-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rotate)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(jwks)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(remove)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(tls)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__help__subcmd__tls_commands" \
"*::: :->tls" \
&& ret=0

    case $state in
    (tls)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-help-tls-command-$line[1]:"
        case $line[1] in
            (self-signed)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(admin-key)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__help__subcmd__admin-key_commands" \
"*::: :->admin-key" \
&& ret=0

    case $state in
    (admin-key)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-help-admin-key-command-$line[1]:"
        case $line[1] in
            (create)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(rotate)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(revoke)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(portal)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__help__subcmd__portal_commands" \
"*::: :->portal" \
&& ret=0

    case $state in
    (portal)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-help-portal-command-$line[1]:"
        case $line[1] in
            (invite)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(withdraw)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(sign-out)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(audit)
_arguments "${_arguments_options[@]}" : \
":: :_kgate__subcmd__help__subcmd__audit_commands" \
"*::: :->audit" \
&& ret=0

    case $state in
    (audit)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:kgate-help-audit-command-$line[1]:"
        case $line[1] in
            (verify)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(backup)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(restore)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_kgate_commands] )) ||
_kgate_commands() {
    local commands; commands=(
'init:Write a configuration and make a data directory' \
'demo:Show a key'\''s whole life against a bundled backend, in a temporary directory' \
'serve:Run the gateway' \
'check:Check the configuration, with every mistake at once' \
'explain:Say what would become of a request, which rule decides, and what a backend would get' \
'consumer:Create, list and change those who hold keys' \
'key:Create, list, change, rotate and revoke keys' \
'leak-scan:Find leaked keys, say which of them work, and end them' \
'leak-hook:Have git refuse commits and pushes that bring keys' \
'leak-rules:Write our prefixes as rules for other scanners' \
'usage:Show how much keys, consumers and routes were used' \
'signing-key:Make, rotate and list the keys that sign tokens for backends' \
'tls:Make certificates to try TLS with' \
'admin-key:Create, list, rotate and revoke the keys of those who manage kgate' \
'portal:Invite consumers to the portal, list who is signed in, and sign them out' \
'audit:Show who did what, when and why' \
'backup:Write a consistent copy of the store to a file, while it is in use' \
'restore:Merge a backup into the store' \
'status:Show what the running server does, live, and whether anything is wrong' \
'doctor:Look at everything that can be wrong with the data directory' \
'completions:Print the completion script of a shell' \
'man:Print a manual page, or write all of them' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key_commands] )) ||
_kgate__subcmd__admin-key_commands() {
    local commands; commands=(
'create:Create an admin key and print it, once' \
'list:List admin keys' \
'show:Show an admin key' \
'rotate:Replace an admin key by a new one of the same name and role, and print that, once' \
'revoke:Revoke an admin key, for good' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate admin-key commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key__subcmd__create_commands] )) ||
_kgate__subcmd__admin-key__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'kgate admin-key create commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key__subcmd__help_commands] )) ||
_kgate__subcmd__admin-key__subcmd__help_commands() {
    local commands; commands=(
'create:Create an admin key and print it, once' \
'list:List admin keys' \
'show:Show an admin key' \
'rotate:Replace an admin key by a new one of the same name and role, and print that, once' \
'revoke:Revoke an admin key, for good' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate admin-key help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key__subcmd__help__subcmd__create_commands] )) ||
_kgate__subcmd__admin-key__subcmd__help__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'kgate admin-key help create commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key__subcmd__help__subcmd__help_commands] )) ||
_kgate__subcmd__admin-key__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'kgate admin-key help help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key__subcmd__help__subcmd__list_commands] )) ||
_kgate__subcmd__admin-key__subcmd__help__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate admin-key help list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key__subcmd__help__subcmd__revoke_commands] )) ||
_kgate__subcmd__admin-key__subcmd__help__subcmd__revoke_commands() {
    local commands; commands=()
    _describe -t commands 'kgate admin-key help revoke commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key__subcmd__help__subcmd__rotate_commands] )) ||
_kgate__subcmd__admin-key__subcmd__help__subcmd__rotate_commands() {
    local commands; commands=()
    _describe -t commands 'kgate admin-key help rotate commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key__subcmd__help__subcmd__show_commands] )) ||
_kgate__subcmd__admin-key__subcmd__help__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'kgate admin-key help show commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key__subcmd__list_commands] )) ||
_kgate__subcmd__admin-key__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate admin-key list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key__subcmd__revoke_commands] )) ||
_kgate__subcmd__admin-key__subcmd__revoke_commands() {
    local commands; commands=()
    _describe -t commands 'kgate admin-key revoke commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key__subcmd__rotate_commands] )) ||
_kgate__subcmd__admin-key__subcmd__rotate_commands() {
    local commands; commands=()
    _describe -t commands 'kgate admin-key rotate commands' commands "$@"
}
(( $+functions[_kgate__subcmd__admin-key__subcmd__show_commands] )) ||
_kgate__subcmd__admin-key__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'kgate admin-key show commands' commands "$@"
}
(( $+functions[_kgate__subcmd__audit_commands] )) ||
_kgate__subcmd__audit_commands() {
    local commands; commands=(
'verify:Check the whole chain\: changed rows, missing rows, a log cut short' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate audit commands' commands "$@"
}
(( $+functions[_kgate__subcmd__audit__subcmd__help_commands] )) ||
_kgate__subcmd__audit__subcmd__help_commands() {
    local commands; commands=(
'verify:Check the whole chain\: changed rows, missing rows, a log cut short' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate audit help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__audit__subcmd__help__subcmd__help_commands] )) ||
_kgate__subcmd__audit__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'kgate audit help help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__audit__subcmd__help__subcmd__verify_commands] )) ||
_kgate__subcmd__audit__subcmd__help__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'kgate audit help verify commands' commands "$@"
}
(( $+functions[_kgate__subcmd__audit__subcmd__verify_commands] )) ||
_kgate__subcmd__audit__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'kgate audit verify commands' commands "$@"
}
(( $+functions[_kgate__subcmd__backup_commands] )) ||
_kgate__subcmd__backup_commands() {
    local commands; commands=()
    _describe -t commands 'kgate backup commands' commands "$@"
}
(( $+functions[_kgate__subcmd__check_commands] )) ||
_kgate__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'kgate check commands' commands "$@"
}
(( $+functions[_kgate__subcmd__completions_commands] )) ||
_kgate__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'kgate completions commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer_commands] )) ||
_kgate__subcmd__consumer_commands() {
    local commands; commands=(
'create:Create a consumer' \
'list:List consumers; filters combine' \
'show:Show a consumer' \
'update:Change a consumer; what is not named stays' \
'disable:Make all keys of a consumer stop working, until it is enabled again' \
'enable:Let the keys of a consumer work again' \
'delete:Revoke all keys of a consumer and delete it' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate consumer commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__create_commands] )) ||
_kgate__subcmd__consumer__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer create commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__delete_commands] )) ||
_kgate__subcmd__consumer__subcmd__delete_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer delete commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__disable_commands] )) ||
_kgate__subcmd__consumer__subcmd__disable_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer disable commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__enable_commands] )) ||
_kgate__subcmd__consumer__subcmd__enable_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer enable commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__help_commands] )) ||
_kgate__subcmd__consumer__subcmd__help_commands() {
    local commands; commands=(
'create:Create a consumer' \
'list:List consumers; filters combine' \
'show:Show a consumer' \
'update:Change a consumer; what is not named stays' \
'disable:Make all keys of a consumer stop working, until it is enabled again' \
'enable:Let the keys of a consumer work again' \
'delete:Revoke all keys of a consumer and delete it' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate consumer help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__help__subcmd__create_commands] )) ||
_kgate__subcmd__consumer__subcmd__help__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer help create commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__help__subcmd__delete_commands] )) ||
_kgate__subcmd__consumer__subcmd__help__subcmd__delete_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer help delete commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__help__subcmd__disable_commands] )) ||
_kgate__subcmd__consumer__subcmd__help__subcmd__disable_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer help disable commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__help__subcmd__enable_commands] )) ||
_kgate__subcmd__consumer__subcmd__help__subcmd__enable_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer help enable commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__help__subcmd__help_commands] )) ||
_kgate__subcmd__consumer__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer help help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__help__subcmd__list_commands] )) ||
_kgate__subcmd__consumer__subcmd__help__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer help list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__help__subcmd__show_commands] )) ||
_kgate__subcmd__consumer__subcmd__help__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer help show commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__help__subcmd__update_commands] )) ||
_kgate__subcmd__consumer__subcmd__help__subcmd__update_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer help update commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__list_commands] )) ||
_kgate__subcmd__consumer__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__show_commands] )) ||
_kgate__subcmd__consumer__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer show commands' commands "$@"
}
(( $+functions[_kgate__subcmd__consumer__subcmd__update_commands] )) ||
_kgate__subcmd__consumer__subcmd__update_commands() {
    local commands; commands=()
    _describe -t commands 'kgate consumer update commands' commands "$@"
}
(( $+functions[_kgate__subcmd__demo_commands] )) ||
_kgate__subcmd__demo_commands() {
    local commands; commands=()
    _describe -t commands 'kgate demo commands' commands "$@"
}
(( $+functions[_kgate__subcmd__doctor_commands] )) ||
_kgate__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'kgate doctor commands' commands "$@"
}
(( $+functions[_kgate__subcmd__explain_commands] )) ||
_kgate__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'kgate explain commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help_commands] )) ||
_kgate__subcmd__help_commands() {
    local commands; commands=(
'init:Write a configuration and make a data directory' \
'demo:Show a key'\''s whole life against a bundled backend, in a temporary directory' \
'serve:Run the gateway' \
'check:Check the configuration, with every mistake at once' \
'explain:Say what would become of a request, which rule decides, and what a backend would get' \
'consumer:Create, list and change those who hold keys' \
'key:Create, list, change, rotate and revoke keys' \
'leak-scan:Find leaked keys, say which of them work, and end them' \
'leak-hook:Have git refuse commits and pushes that bring keys' \
'leak-rules:Write our prefixes as rules for other scanners' \
'usage:Show how much keys, consumers and routes were used' \
'signing-key:Make, rotate and list the keys that sign tokens for backends' \
'tls:Make certificates to try TLS with' \
'admin-key:Create, list, rotate and revoke the keys of those who manage kgate' \
'portal:Invite consumers to the portal, list who is signed in, and sign them out' \
'audit:Show who did what, when and why' \
'backup:Write a consistent copy of the store to a file, while it is in use' \
'restore:Merge a backup into the store' \
'status:Show what the running server does, live, and whether anything is wrong' \
'doctor:Look at everything that can be wrong with the data directory' \
'completions:Print the completion script of a shell' \
'man:Print a manual page, or write all of them' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__admin-key_commands] )) ||
_kgate__subcmd__help__subcmd__admin-key_commands() {
    local commands; commands=(
'create:Create an admin key and print it, once' \
'list:List admin keys' \
'show:Show an admin key' \
'rotate:Replace an admin key by a new one of the same name and role, and print that, once' \
'revoke:Revoke an admin key, for good' \
    )
    _describe -t commands 'kgate help admin-key commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__admin-key__subcmd__create_commands] )) ||
_kgate__subcmd__help__subcmd__admin-key__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help admin-key create commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__admin-key__subcmd__list_commands] )) ||
_kgate__subcmd__help__subcmd__admin-key__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help admin-key list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__admin-key__subcmd__revoke_commands] )) ||
_kgate__subcmd__help__subcmd__admin-key__subcmd__revoke_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help admin-key revoke commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__admin-key__subcmd__rotate_commands] )) ||
_kgate__subcmd__help__subcmd__admin-key__subcmd__rotate_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help admin-key rotate commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__admin-key__subcmd__show_commands] )) ||
_kgate__subcmd__help__subcmd__admin-key__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help admin-key show commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__audit_commands] )) ||
_kgate__subcmd__help__subcmd__audit_commands() {
    local commands; commands=(
'verify:Check the whole chain\: changed rows, missing rows, a log cut short' \
    )
    _describe -t commands 'kgate help audit commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__audit__subcmd__verify_commands] )) ||
_kgate__subcmd__help__subcmd__audit__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help audit verify commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__backup_commands] )) ||
_kgate__subcmd__help__subcmd__backup_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help backup commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__check_commands] )) ||
_kgate__subcmd__help__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help check commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__completions_commands] )) ||
_kgate__subcmd__help__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help completions commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__consumer_commands] )) ||
_kgate__subcmd__help__subcmd__consumer_commands() {
    local commands; commands=(
'create:Create a consumer' \
'list:List consumers; filters combine' \
'show:Show a consumer' \
'update:Change a consumer; what is not named stays' \
'disable:Make all keys of a consumer stop working, until it is enabled again' \
'enable:Let the keys of a consumer work again' \
'delete:Revoke all keys of a consumer and delete it' \
    )
    _describe -t commands 'kgate help consumer commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__consumer__subcmd__create_commands] )) ||
_kgate__subcmd__help__subcmd__consumer__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help consumer create commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__consumer__subcmd__delete_commands] )) ||
_kgate__subcmd__help__subcmd__consumer__subcmd__delete_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help consumer delete commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__consumer__subcmd__disable_commands] )) ||
_kgate__subcmd__help__subcmd__consumer__subcmd__disable_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help consumer disable commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__consumer__subcmd__enable_commands] )) ||
_kgate__subcmd__help__subcmd__consumer__subcmd__enable_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help consumer enable commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__consumer__subcmd__list_commands] )) ||
_kgate__subcmd__help__subcmd__consumer__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help consumer list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__consumer__subcmd__show_commands] )) ||
_kgate__subcmd__help__subcmd__consumer__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help consumer show commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__consumer__subcmd__update_commands] )) ||
_kgate__subcmd__help__subcmd__consumer__subcmd__update_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help consumer update commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__demo_commands] )) ||
_kgate__subcmd__help__subcmd__demo_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help demo commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__doctor_commands] )) ||
_kgate__subcmd__help__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help doctor commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__explain_commands] )) ||
_kgate__subcmd__help__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help explain commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__help_commands] )) ||
_kgate__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__init_commands] )) ||
_kgate__subcmd__help__subcmd__init_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help init commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key_commands] )) ||
_kgate__subcmd__help__subcmd__key_commands() {
    local commands; commands=(
'create:Create a key and print it, once' \
'list:List keys; filters combine' \
'export:Write a list of keys for use elsewhere' \
'show:Show a key' \
'update:Change a key; what is not named stays' \
'rotate:Replace a key by a new one and print that, once' \
'rotation-status:Show replaced keys that still work\: may they be let go?' \
'rehash-status:Show how many keys depend on each pepper' \
'revoke:Revoke keys, for good' \
'disable:Make a key stop working, until it is enabled again' \
'enable:Let a disabled key work again' \
'prune:Remove keys that were revoked long ago' \
'verify:Say what the gateway would answer to a key, and why, spending nothing' \
    )
    _describe -t commands 'kgate help key commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__create_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key create commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__disable_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__disable_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key disable commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__enable_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__enable_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key enable commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__export_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__export_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key export commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__list_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__prune_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__prune_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key prune commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__rehash-status_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__rehash-status_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key rehash-status commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__revoke_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__revoke_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key revoke commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__rotate_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__rotate_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key rotate commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__rotation-status_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__rotation-status_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key rotation-status commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__show_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key show commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__update_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__update_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key update commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__key__subcmd__verify_commands] )) ||
_kgate__subcmd__help__subcmd__key__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help key verify commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__leak-hook_commands] )) ||
_kgate__subcmd__help__subcmd__leak-hook_commands() {
    local commands; commands=(
'install:Install a hook that runs \`kgate leak-scan\`' \
'status:Say whether a hook of kgate'\''s is there' \
'remove:Remove kgate'\''s hook, and put back the one it ran first' \
    )
    _describe -t commands 'kgate help leak-hook commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__leak-hook__subcmd__install_commands] )) ||
_kgate__subcmd__help__subcmd__leak-hook__subcmd__install_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help leak-hook install commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__leak-hook__subcmd__remove_commands] )) ||
_kgate__subcmd__help__subcmd__leak-hook__subcmd__remove_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help leak-hook remove commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__leak-hook__subcmd__status_commands] )) ||
_kgate__subcmd__help__subcmd__leak-hook__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help leak-hook status commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__leak-rules_commands] )) ||
_kgate__subcmd__help__subcmd__leak-rules_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help leak-rules commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__leak-scan_commands] )) ||
_kgate__subcmd__help__subcmd__leak-scan_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help leak-scan commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__man_commands] )) ||
_kgate__subcmd__help__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help man commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__portal_commands] )) ||
_kgate__subcmd__help__subcmd__portal_commands() {
    local commands; commands=(
'invite:Make a link by which a consumer signs in, once' \
'list:List who is signed in, and open invitations' \
'withdraw:Withdraw one open invitation\: its link lets nobody in any more' \
'sign-out:End the sessions of a consumer or of an admin key, and withdraw open invitations' \
    )
    _describe -t commands 'kgate help portal commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__portal__subcmd__invite_commands] )) ||
_kgate__subcmd__help__subcmd__portal__subcmd__invite_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help portal invite commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__portal__subcmd__list_commands] )) ||
_kgate__subcmd__help__subcmd__portal__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help portal list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__portal__subcmd__sign-out_commands] )) ||
_kgate__subcmd__help__subcmd__portal__subcmd__sign-out_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help portal sign-out commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__portal__subcmd__withdraw_commands] )) ||
_kgate__subcmd__help__subcmd__portal__subcmd__withdraw_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help portal withdraw commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__restore_commands] )) ||
_kgate__subcmd__help__subcmd__restore_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help restore commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__serve_commands] )) ||
_kgate__subcmd__help__subcmd__serve_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help serve commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__signing-key_commands] )) ||
_kgate__subcmd__help__subcmd__signing-key_commands() {
    local commands; commands=(
'create:Make the first signing key, which signs at once' \
'rotate:Replace the signing key by a new one, with an overlap' \
'list:List the signing keys, and which of them signs' \
'jwks:Print the public parts as a JSON Web Key Set, for backends that cannot reach the admin listener' \
'remove:Remove a signing key for good\: backends refuse its tokens once they fetch the key set anew' \
    )
    _describe -t commands 'kgate help signing-key commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__signing-key__subcmd__create_commands] )) ||
_kgate__subcmd__help__subcmd__signing-key__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help signing-key create commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__signing-key__subcmd__jwks_commands] )) ||
_kgate__subcmd__help__subcmd__signing-key__subcmd__jwks_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help signing-key jwks commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__signing-key__subcmd__list_commands] )) ||
_kgate__subcmd__help__subcmd__signing-key__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help signing-key list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__signing-key__subcmd__remove_commands] )) ||
_kgate__subcmd__help__subcmd__signing-key__subcmd__remove_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help signing-key remove commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__signing-key__subcmd__rotate_commands] )) ||
_kgate__subcmd__help__subcmd__signing-key__subcmd__rotate_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help signing-key rotate commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__status_commands] )) ||
_kgate__subcmd__help__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help status commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__tls_commands] )) ||
_kgate__subcmd__help__subcmd__tls_commands() {
    local commands; commands=(
'self-signed:Make a certificate nobody vouches for, and its key' \
    )
    _describe -t commands 'kgate help tls commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__tls__subcmd__self-signed_commands] )) ||
_kgate__subcmd__help__subcmd__tls__subcmd__self-signed_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help tls self-signed commands' commands "$@"
}
(( $+functions[_kgate__subcmd__help__subcmd__usage_commands] )) ||
_kgate__subcmd__help__subcmd__usage_commands() {
    local commands; commands=()
    _describe -t commands 'kgate help usage commands' commands "$@"
}
(( $+functions[_kgate__subcmd__init_commands] )) ||
_kgate__subcmd__init_commands() {
    local commands; commands=()
    _describe -t commands 'kgate init commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key_commands] )) ||
_kgate__subcmd__key_commands() {
    local commands; commands=(
'create:Create a key and print it, once' \
'list:List keys; filters combine' \
'export:Write a list of keys for use elsewhere' \
'show:Show a key' \
'update:Change a key; what is not named stays' \
'rotate:Replace a key by a new one and print that, once' \
'rotation-status:Show replaced keys that still work\: may they be let go?' \
'rehash-status:Show how many keys depend on each pepper' \
'revoke:Revoke keys, for good' \
'disable:Make a key stop working, until it is enabled again' \
'enable:Let a disabled key work again' \
'prune:Remove keys that were revoked long ago' \
'verify:Say what the gateway would answer to a key, and why, spending nothing' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate key commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__create_commands] )) ||
_kgate__subcmd__key__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key create commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__disable_commands] )) ||
_kgate__subcmd__key__subcmd__disable_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key disable commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__enable_commands] )) ||
_kgate__subcmd__key__subcmd__enable_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key enable commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__export_commands] )) ||
_kgate__subcmd__key__subcmd__export_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key export commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help_commands] )) ||
_kgate__subcmd__key__subcmd__help_commands() {
    local commands; commands=(
'create:Create a key and print it, once' \
'list:List keys; filters combine' \
'export:Write a list of keys for use elsewhere' \
'show:Show a key' \
'update:Change a key; what is not named stays' \
'rotate:Replace a key by a new one and print that, once' \
'rotation-status:Show replaced keys that still work\: may they be let go?' \
'rehash-status:Show how many keys depend on each pepper' \
'revoke:Revoke keys, for good' \
'disable:Make a key stop working, until it is enabled again' \
'enable:Let a disabled key work again' \
'prune:Remove keys that were revoked long ago' \
'verify:Say what the gateway would answer to a key, and why, spending nothing' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate key help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__create_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help create commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__disable_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__disable_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help disable commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__enable_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__enable_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help enable commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__export_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__export_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help export commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__help_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__list_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__prune_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__prune_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help prune commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__rehash-status_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__rehash-status_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help rehash-status commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__revoke_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__revoke_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help revoke commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__rotate_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__rotate_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help rotate commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__rotation-status_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__rotation-status_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help rotation-status commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__show_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help show commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__update_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__update_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help update commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__help__subcmd__verify_commands] )) ||
_kgate__subcmd__key__subcmd__help__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key help verify commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__list_commands] )) ||
_kgate__subcmd__key__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__prune_commands] )) ||
_kgate__subcmd__key__subcmd__prune_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key prune commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__rehash-status_commands] )) ||
_kgate__subcmd__key__subcmd__rehash-status_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key rehash-status commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__revoke_commands] )) ||
_kgate__subcmd__key__subcmd__revoke_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key revoke commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__rotate_commands] )) ||
_kgate__subcmd__key__subcmd__rotate_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key rotate commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__rotation-status_commands] )) ||
_kgate__subcmd__key__subcmd__rotation-status_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key rotation-status commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__show_commands] )) ||
_kgate__subcmd__key__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key show commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__update_commands] )) ||
_kgate__subcmd__key__subcmd__update_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key update commands' commands "$@"
}
(( $+functions[_kgate__subcmd__key__subcmd__verify_commands] )) ||
_kgate__subcmd__key__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'kgate key verify commands' commands "$@"
}
(( $+functions[_kgate__subcmd__leak-hook_commands] )) ||
_kgate__subcmd__leak-hook_commands() {
    local commands; commands=(
'install:Install a hook that runs \`kgate leak-scan\`' \
'status:Say whether a hook of kgate'\''s is there' \
'remove:Remove kgate'\''s hook, and put back the one it ran first' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate leak-hook commands' commands "$@"
}
(( $+functions[_kgate__subcmd__leak-hook__subcmd__help_commands] )) ||
_kgate__subcmd__leak-hook__subcmd__help_commands() {
    local commands; commands=(
'install:Install a hook that runs \`kgate leak-scan\`' \
'status:Say whether a hook of kgate'\''s is there' \
'remove:Remove kgate'\''s hook, and put back the one it ran first' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate leak-hook help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__leak-hook__subcmd__help__subcmd__help_commands] )) ||
_kgate__subcmd__leak-hook__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'kgate leak-hook help help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__leak-hook__subcmd__help__subcmd__install_commands] )) ||
_kgate__subcmd__leak-hook__subcmd__help__subcmd__install_commands() {
    local commands; commands=()
    _describe -t commands 'kgate leak-hook help install commands' commands "$@"
}
(( $+functions[_kgate__subcmd__leak-hook__subcmd__help__subcmd__remove_commands] )) ||
_kgate__subcmd__leak-hook__subcmd__help__subcmd__remove_commands() {
    local commands; commands=()
    _describe -t commands 'kgate leak-hook help remove commands' commands "$@"
}
(( $+functions[_kgate__subcmd__leak-hook__subcmd__help__subcmd__status_commands] )) ||
_kgate__subcmd__leak-hook__subcmd__help__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'kgate leak-hook help status commands' commands "$@"
}
(( $+functions[_kgate__subcmd__leak-hook__subcmd__install_commands] )) ||
_kgate__subcmd__leak-hook__subcmd__install_commands() {
    local commands; commands=()
    _describe -t commands 'kgate leak-hook install commands' commands "$@"
}
(( $+functions[_kgate__subcmd__leak-hook__subcmd__remove_commands] )) ||
_kgate__subcmd__leak-hook__subcmd__remove_commands() {
    local commands; commands=()
    _describe -t commands 'kgate leak-hook remove commands' commands "$@"
}
(( $+functions[_kgate__subcmd__leak-hook__subcmd__status_commands] )) ||
_kgate__subcmd__leak-hook__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'kgate leak-hook status commands' commands "$@"
}
(( $+functions[_kgate__subcmd__leak-rules_commands] )) ||
_kgate__subcmd__leak-rules_commands() {
    local commands; commands=()
    _describe -t commands 'kgate leak-rules commands' commands "$@"
}
(( $+functions[_kgate__subcmd__leak-scan_commands] )) ||
_kgate__subcmd__leak-scan_commands() {
    local commands; commands=()
    _describe -t commands 'kgate leak-scan commands' commands "$@"
}
(( $+functions[_kgate__subcmd__man_commands] )) ||
_kgate__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'kgate man commands' commands "$@"
}
(( $+functions[_kgate__subcmd__portal_commands] )) ||
_kgate__subcmd__portal_commands() {
    local commands; commands=(
'invite:Make a link by which a consumer signs in, once' \
'list:List who is signed in, and open invitations' \
'withdraw:Withdraw one open invitation\: its link lets nobody in any more' \
'sign-out:End the sessions of a consumer or of an admin key, and withdraw open invitations' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate portal commands' commands "$@"
}
(( $+functions[_kgate__subcmd__portal__subcmd__help_commands] )) ||
_kgate__subcmd__portal__subcmd__help_commands() {
    local commands; commands=(
'invite:Make a link by which a consumer signs in, once' \
'list:List who is signed in, and open invitations' \
'withdraw:Withdraw one open invitation\: its link lets nobody in any more' \
'sign-out:End the sessions of a consumer or of an admin key, and withdraw open invitations' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate portal help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__portal__subcmd__help__subcmd__help_commands] )) ||
_kgate__subcmd__portal__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'kgate portal help help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__portal__subcmd__help__subcmd__invite_commands] )) ||
_kgate__subcmd__portal__subcmd__help__subcmd__invite_commands() {
    local commands; commands=()
    _describe -t commands 'kgate portal help invite commands' commands "$@"
}
(( $+functions[_kgate__subcmd__portal__subcmd__help__subcmd__list_commands] )) ||
_kgate__subcmd__portal__subcmd__help__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate portal help list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__portal__subcmd__help__subcmd__sign-out_commands] )) ||
_kgate__subcmd__portal__subcmd__help__subcmd__sign-out_commands() {
    local commands; commands=()
    _describe -t commands 'kgate portal help sign-out commands' commands "$@"
}
(( $+functions[_kgate__subcmd__portal__subcmd__help__subcmd__withdraw_commands] )) ||
_kgate__subcmd__portal__subcmd__help__subcmd__withdraw_commands() {
    local commands; commands=()
    _describe -t commands 'kgate portal help withdraw commands' commands "$@"
}
(( $+functions[_kgate__subcmd__portal__subcmd__invite_commands] )) ||
_kgate__subcmd__portal__subcmd__invite_commands() {
    local commands; commands=()
    _describe -t commands 'kgate portal invite commands' commands "$@"
}
(( $+functions[_kgate__subcmd__portal__subcmd__list_commands] )) ||
_kgate__subcmd__portal__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate portal list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__portal__subcmd__sign-out_commands] )) ||
_kgate__subcmd__portal__subcmd__sign-out_commands() {
    local commands; commands=()
    _describe -t commands 'kgate portal sign-out commands' commands "$@"
}
(( $+functions[_kgate__subcmd__portal__subcmd__withdraw_commands] )) ||
_kgate__subcmd__portal__subcmd__withdraw_commands() {
    local commands; commands=()
    _describe -t commands 'kgate portal withdraw commands' commands "$@"
}
(( $+functions[_kgate__subcmd__restore_commands] )) ||
_kgate__subcmd__restore_commands() {
    local commands; commands=()
    _describe -t commands 'kgate restore commands' commands "$@"
}
(( $+functions[_kgate__subcmd__serve_commands] )) ||
_kgate__subcmd__serve_commands() {
    local commands; commands=()
    _describe -t commands 'kgate serve commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key_commands] )) ||
_kgate__subcmd__signing-key_commands() {
    local commands; commands=(
'create:Make the first signing key, which signs at once' \
'rotate:Replace the signing key by a new one, with an overlap' \
'list:List the signing keys, and which of them signs' \
'jwks:Print the public parts as a JSON Web Key Set, for backends that cannot reach the admin listener' \
'remove:Remove a signing key for good\: backends refuse its tokens once they fetch the key set anew' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate signing-key commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key__subcmd__create_commands] )) ||
_kgate__subcmd__signing-key__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'kgate signing-key create commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key__subcmd__help_commands] )) ||
_kgate__subcmd__signing-key__subcmd__help_commands() {
    local commands; commands=(
'create:Make the first signing key, which signs at once' \
'rotate:Replace the signing key by a new one, with an overlap' \
'list:List the signing keys, and which of them signs' \
'jwks:Print the public parts as a JSON Web Key Set, for backends that cannot reach the admin listener' \
'remove:Remove a signing key for good\: backends refuse its tokens once they fetch the key set anew' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate signing-key help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key__subcmd__help__subcmd__create_commands] )) ||
_kgate__subcmd__signing-key__subcmd__help__subcmd__create_commands() {
    local commands; commands=()
    _describe -t commands 'kgate signing-key help create commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key__subcmd__help__subcmd__help_commands] )) ||
_kgate__subcmd__signing-key__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'kgate signing-key help help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key__subcmd__help__subcmd__jwks_commands] )) ||
_kgate__subcmd__signing-key__subcmd__help__subcmd__jwks_commands() {
    local commands; commands=()
    _describe -t commands 'kgate signing-key help jwks commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key__subcmd__help__subcmd__list_commands] )) ||
_kgate__subcmd__signing-key__subcmd__help__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate signing-key help list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key__subcmd__help__subcmd__remove_commands] )) ||
_kgate__subcmd__signing-key__subcmd__help__subcmd__remove_commands() {
    local commands; commands=()
    _describe -t commands 'kgate signing-key help remove commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key__subcmd__help__subcmd__rotate_commands] )) ||
_kgate__subcmd__signing-key__subcmd__help__subcmd__rotate_commands() {
    local commands; commands=()
    _describe -t commands 'kgate signing-key help rotate commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key__subcmd__jwks_commands] )) ||
_kgate__subcmd__signing-key__subcmd__jwks_commands() {
    local commands; commands=()
    _describe -t commands 'kgate signing-key jwks commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key__subcmd__list_commands] )) ||
_kgate__subcmd__signing-key__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'kgate signing-key list commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key__subcmd__remove_commands] )) ||
_kgate__subcmd__signing-key__subcmd__remove_commands() {
    local commands; commands=()
    _describe -t commands 'kgate signing-key remove commands' commands "$@"
}
(( $+functions[_kgate__subcmd__signing-key__subcmd__rotate_commands] )) ||
_kgate__subcmd__signing-key__subcmd__rotate_commands() {
    local commands; commands=()
    _describe -t commands 'kgate signing-key rotate commands' commands "$@"
}
(( $+functions[_kgate__subcmd__status_commands] )) ||
_kgate__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'kgate status commands' commands "$@"
}
(( $+functions[_kgate__subcmd__tls_commands] )) ||
_kgate__subcmd__tls_commands() {
    local commands; commands=(
'self-signed:Make a certificate nobody vouches for, and its key' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate tls commands' commands "$@"
}
(( $+functions[_kgate__subcmd__tls__subcmd__help_commands] )) ||
_kgate__subcmd__tls__subcmd__help_commands() {
    local commands; commands=(
'self-signed:Make a certificate nobody vouches for, and its key' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'kgate tls help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__tls__subcmd__help__subcmd__help_commands] )) ||
_kgate__subcmd__tls__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'kgate tls help help commands' commands "$@"
}
(( $+functions[_kgate__subcmd__tls__subcmd__help__subcmd__self-signed_commands] )) ||
_kgate__subcmd__tls__subcmd__help__subcmd__self-signed_commands() {
    local commands; commands=()
    _describe -t commands 'kgate tls help self-signed commands' commands "$@"
}
(( $+functions[_kgate__subcmd__tls__subcmd__self-signed_commands] )) ||
_kgate__subcmd__tls__subcmd__self-signed_commands() {
    local commands; commands=()
    _describe -t commands 'kgate tls self-signed commands' commands "$@"
}
(( $+functions[_kgate__subcmd__usage_commands] )) ||
_kgate__subcmd__usage_commands() {
    local commands; commands=()
    _describe -t commands 'kgate usage commands' commands "$@"
}

if [ "$funcstack[1]" = "_kgate" ]; then
    _kgate "$@"
else
    compdef _kgate kgate
fi
