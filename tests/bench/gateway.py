#!/usr/bin/env python3
"""CPU per proxied request and added latency of kgate, beside nginx, HAProxy and Envoy, in one run.

One backend; every gateway has one worker, keep-alive and the same policies: a key looked up among
--keys keys, one rate limit, the credential removed, three identity headers added.

  nginx    static map + limit_req            haproxy  sha2(256) + map + stick table
  envoy    api_key_auth + local_ratelimit    kgate    its store, two rates, all policies
  public   kgate on a public route: what the policies cost is the difference
  quota    kgate with two quotas beside the rates
  jwt      kgate with a signed token to the backend (EdDSA)
  jti      kgate with a token of its own for every request (EdDSA)
  http     kgate's sidecar asked over HTTP (/forward-auth), nothing forwarded
  grpc     kgate's sidecar asked over Envoy's gRPC, with h2load
  alone    Envoy that only forwards: what its api_key_auth, or kgate beside it, adds is the difference
  quiet    kgate without an access log, and nobody who reads its metrics; `kgate` has both, and the others
           write no log
  beside   Envoy as docs/fronts/envoy.md has it, with kgate beside it: both processes
  … tls    each of the four over TLS 1.3, HTTP/1.1, with the same certificate (P-256)
  … h2     each of the four over TLS and HTTP/2, with h2load: 8 connections, 4 requests at once on each

They are measured round by round with wrk, so that a noisy machine is noisy for all; the medians
are compared. CPU time is what the listening process used (/proc/PID/task/*/schedstat). Latency is
measured with h2load: at half of kgate's throughput, direct to the backend and through kgate, over
TCP and over a Unix socket; and of each gateway at half of its own throughput, over TCP, TLS and
HTTP/2. What TLS costs is the throughput with it over the throughput without it. Everything started is stopped; traffic stays on this machine.
"""
import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

BODY = '{"ok":true,"items":[1,2,3,4,5,6,7,8,9,10],"pad":"' + "x" * 50 + '"}'
PATH = "/v1/products"
BACKEND, NGINX, HAPROXY, ENVOY, KGATE, SIDECAR, BESIDE, ALONE = 19000, 19102, 19112, 19122, 19132, 19142, 19152, 19162
QUIET, ADMIN = 19172, 19182
# Beside the port of each that speaks clear text.
TLS = 5
PEERS = {"nginx": NGINX, "haproxy": HAPROXY, "envoy": ENVOY, "kgate": KGATE}


def key(i):
    return f"acme_live_{i:038d}"


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def certificate(d):
    """One key and one certificate for all; HAProxy wants both in one file."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", f"{d}/key.pem", "-out", f"{d}/cert.pem"], capture_output=True, check=True)
    write(f"{d}/both.pem", open(f"{d}/cert.pem").read() + open(f"{d}/key.pem").read())


def backend(d):
    write(f"{d}/up.conf", f"""worker_processes 1; pid {d}/up.pid; error_log {d}/up.err; daemon off;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  server {{ listen 127.0.0.1:{BACKEND}; listen unix:{d}/up.sock; location / {{ default_type application/json; return 200 '{BODY}'; }} }} }}
""")
    return ["nginx", "-c", f"{d}/up.conf"]


def nginx(d, n, port):
    with open(f"{d}/map.conf", "w") as f:
        f.write('map_hash_max_size 262144; map_hash_bucket_size 256;\nmap $http_authorization $consumer { default "";\n')
        f.writelines(f'"Bearer {key(i)}" "cust_{i}";\n' for i in range(n))
        f.write("}\n")
    write(f"{d}/ngx.conf", f"""worker_processes 1; pid {d}/ngx.pid; error_log {d}/ngx.err; daemon off;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s; include {d}/map.conf;
  limit_req_zone $consumer zone=k:32m rate=900000r/s;
  upstream b {{ server 127.0.0.1:{BACKEND}; keepalive 256; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port}; listen 127.0.0.1:{port + TLS} ssl http2;
    ssl_certificate {d}/cert.pem; ssl_certificate_key {d}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    location / {{ if ($consumer = "") {{ return 401; }}
    limit_req zone=k burst=1000000 nodelay; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Authorization ""; proxy_set_header X-Consumer-Id $consumer;
    proxy_set_header X-Consumer-Scopes "products:read,orders:write"; proxy_set_header X-Consumer-Plan pro;
    proxy_pass http://b; }} }} }}
""")
    return ["nginx", "-c", f"{d}/ngx.conf"]


def haproxy(d, n, port):
    with open(f"{d}/hap.map", "w") as f:
        f.writelines(hashlib.sha256(f"Bearer {key(i)}".encode()).hexdigest().upper() + f" cust_{i}\n" for i in range(n))
    write(f"{d}/hap.cfg", f"""global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  http-reuse always
backend st
  stick-table type string len 40 size 200k expire 60s store http_req_rate(1s)
frontend auth
  bind 127.0.0.1:{port}
  bind 127.0.0.1:{port + TLS} ssl crt {d}/both.pem alpn h2,http/1.1 ssl-min-ver TLSv1.2
  http-request set-var(txn.c) req.hdr(authorization),sha2(256),hex,map_str({d}/hap.map)
  http-request deny deny_status 401 unless {{ var(txn.c) -m found }}
  http-request track-sc0 var(txn.c) table st
  http-request deny deny_status 429 if {{ sc_http_req_rate(0,st) gt 900000 }}
  http-request del-header authorization
  http-request set-header X-Consumer-Id %[var(txn.c)]
  http-request set-header X-Consumer-Scopes products:read,orders:write
  http-request set-header X-Consumer-Plan pro
  default_backend b
backend b
  server s 127.0.0.1:{BACKEND}
""")
    return ["haproxy", "-db", "-f", f"{d}/hap.cfg"]


def envoy(d, n, port, binary):
    """Envoy with `n` keys; with none, it only forwards."""
    creds = ", ".join(f"{{ key: {key(i)}, client: cust_{i} }}" for i in range(n))
    pct = "{ default_value: { numerator: 100, denominator: HUNDRED } }"
    t = "type.googleapis.com/envoy.extensions.filters"
    told = """, request_headers_to_add: [ { header: { key: X-Consumer-Scopes, value: "products:read,orders:write" } }, { header: { key: X-Consumer-Plan, value: pro } } ]"""
    policies = f"""
          - name: envoy.filters.http.api_key_auth
            typed_config:
              "@type": {t}.http.api_key_auth.v3.ApiKeyAuth
              key_sources: [ {{ header: Authorization }} ]
              forwarding: {{ header: X-Consumer-Id, hide_credentials: true }}
              credentials: [ {creds} ]
          - name: envoy.filters.http.local_ratelimit
            typed_config:
              "@type": {t}.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: rl
              token_bucket: {{ max_tokens: 1000000000, tokens_per_fill: 1000000000, fill_interval: 1s }}
              filter_enabled: {pct}
              filter_enforced: {pct}"""
    if not n:
        told = policies = ""
    secured = f"""
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_params: {{ tls_minimum_protocol_version: TLSv1_2, tls_maximum_protocol_version: TLSv1_3 }}
            alpn_protocols: [ h2, http/1.1 ]
            tls_certificates: [ {{ certificate_chain: {{ filename: {d}/cert.pem }}, private_key: {{ filename: {d}/key.pem }} }} ]"""
    listen = lambda at, tls: f"""
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {at} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {t}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: h
          route_config: {{ virtual_hosts: [ {{ name: a, domains: ["*"], routes: [ {{ match: {{ prefix: "/" }}, route: {{ cluster: b }}{told} }} ] }} ] }}
          http_filters:{policies}
          - name: envoy.filters.http.router
            typed_config: {{ "@type": {t}.http.router.v3.Router }}{tls}"""
    both = listen(port, "") + (listen(port + TLS, secured) if n else "")
    write(f"{d}/envoy-{port}.yaml", f"""static_resources:
  listeners:{both}
  clusters:
  - name: b
    connect_timeout: 5s
    type: STATIC
    circuit_breakers: {{ thresholds: [ {{ max_connections: 10000, max_pending_requests: 10000, max_requests: 10000 }} ] }}
    load_assignment: {{ cluster_name: b, endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {BACKEND} }} }} }} }} ] }} ] }}
""")
    return [binary, "-c", f"{d}/envoy-{port}.yaml", "--concurrency", "1", "-l", "error", "--use-dynamic-base-id"]


def kgate(d, keys, binary):
    """Fills a store with `keys` keys; returns the command to serve it, a token, and keys a second."""
    write(f"{d}/kgate.toml", f"""data_dir = "{d}/data"
[listen]
proxy = ["127.0.0.1:{KGATE}", "unix:{d}/kgate.sock", {{ address = "127.0.0.1:{KGATE + TLS}", tls = {{ certificate = "{d}/cert.pem", key = "{d}/key.pem" }} }}]
admin = "127.0.0.1:{ADMIN}"
[sidecar]
listen = ["127.0.0.1:{SIDECAR}"]
[server]
workers = 1
max_requests_per_connection = 1000000000
[[key_type]]
name = "live"
prefix = "acme_live"
[plans.pro]
limits = [{{ name = "burst", rate = "900000/s" }}, {{ name = "minute", rate = "900000000/min" }}]
[[upstream]]
name = "b"
servers = ["127.0.0.1:{BACKEND}"]
[[upstream]]
name = "signed"
servers = ["127.0.0.1:{BACKEND}"]
jwt = {{}}
[[upstream]]
name = "signed-each"
servers = ["127.0.0.1:{BACKEND}"]
jwt = {{ jti = true }}
[plans.metered]
limits = [{{ name = "month", quota = "900000000/month" }}, {{ name = "day", quota = "900000000/day", per = "consumer" }}]
[[route]]
name = "quota"
path = "/quota/**"
scopes = "products:read"
plan = "metered"
upstream = "b"
[[route]]
name = "jwt"
path = "/jwt/**"
scopes = "products:read"
upstream = "signed"
[[route]]
name = "jti"
path = "/jti/**"
scopes = "products:read"
upstream = "signed-each"
[[route]]
name = "public"
path = "/public/**"
public = true
upstream = "b"
[[route]]
name = "all"
path = "/**"
scopes = "products:read"
upstream = "b"
""")

    def run(*args):
        done = subprocess.run([binary, "--config", f"{d}/kgate.toml", *args], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"kgate {' '.join(args)}: {done.stderr}")
        return done.stdout

    run("init")
    run("signing-key", "create")
    run("consumer", "create", "Acme Corp", "--plan", "pro")
    began = time.monotonic()
    tokens = run("key", "create", "--consumer", "Acme Corp", "--type", "live", "--scope", "products:read",
                 "--scope", "orders:write", "--expires", "never", "--count", str(keys)).split()
    rate = keys / (time.monotonic() - began)
    return [binary, "--config", f"{d}/kgate.toml", "serve", "--shared"], tokens[len(tokens) // 2], rate


def kgate_quiet(d, binary):
    """Returns the command to serve the same store without a log."""
    text = open(f"{d}/kgate.toml").read()
    text = re.sub(r"proxy = \[.*\]\nadmin = .*", f'proxy = ["127.0.0.1:{QUIET}"]', text)
    text = re.sub(r"\[sidecar\]\nlisten = .*\n", '[access_log]\nformat = "off"\n', text)
    write(f"{d}/quiet.toml", text)
    return [binary, "--config", f"{d}/quiet.toml", "serve", "--shared"]


def scrape(d):
    """Reads the metrics once a second, as Prometheus would at its most eager."""
    return ["sh", "-c", f"while sleep 1; do curl -s -o {d}/metrics http://127.0.0.1:{ADMIN}/metrics; done"]


def listeners(port):
    out = subprocess.run(["ss", "-ltnpH", f"sport = :{port}"], capture_output=True, text=True).stdout
    return sorted({int(p) for p in re.findall(r"pid=(\d+)", out)})


def wait_port(port, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        if listeners(port):
            return True
        time.sleep(0.2)
    return False


def cpu_seconds(pids):
    total = 0
    for p in pids:
        for t in os.listdir(f"/proc/{p}/task"):
            try:
                total += int(open(f"/proc/{p}/task/{t}/schedstat").read().split()[0])
            except FileNotFoundError:
                pass
    return total / 1e9


def rss_mb(pids):
    return sum(int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{p}/status").read()).group(1)) for p in pids) / 1024


def measure(port, token, seconds, path, headers=(), also=(), scheme="http"):
    """CPU of the process that listens on `port`, and of those that listen on the ports of `also`."""
    pids = [pid for p in (port, *also) for pid in listeners(p)]
    before = cpu_seconds(pids)
    more = [part for header in headers for part in ("-H", header)]
    out = subprocess.run(["wrk", "-t1", "-c32", f"-d{seconds}s", "-H", f"Authorization: Bearer {token}", *more,
                          f"{scheme}://127.0.0.1:{port}{path}"], capture_output=True, text=True).stdout
    used = cpu_seconds(pids) - before
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return {"us": used / max(requests, 1) * 1e6, "rps": requests / seconds, "rss": rss_mb(pids),
            "bad": int(bad.group(1)) if bad else 0}


def envoy_beside(d, binary):
    """Envoy as its page has it, but for the ports."""
    page = os.path.join(os.path.dirname(__file__), "../../docs/fronts/envoy.md")
    text = re.search(r"```yaml\n(.*?)```", open(page).read(), re.S).group(1)
    for documented, port in ((8000, BESIDE), (8082, SIDECAR), (9000, BACKEND)):
        text = text.replace(f"port_value: {documented}", f"port_value: {port}")
    write(f"{d}/beside.yaml", text)
    return [binary, "-c", f"{d}/beside.yaml", "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"]


def check_request(token):
    """An `envoy.service.auth.v3.CheckRequest` in a gRPC frame, as Envoy would send it."""
    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])

    def field(number, value):
        value = value.encode() if isinstance(value, str) else value
        return varint(number << 3 | 2) + varint(len(value)) + value

    fields = {":authority": "a", ":path": PATH, ":method": "GET", ":scheme": "http", "user-agent": "bench",
              "accept": "*/*", "authorization": f"Bearer {token}", "x-forwarded-proto": "http",
              "x-request-id": "3a0b9e5c-1c1e-4b60-9d53-0a5d5f0e3c55"}
    address = field(1, field(2, "127.0.0.1") + b"\x18" + varint(40000))
    headers = b"".join(field(3, field(1, k) + field(2, v)) for k, v in fields.items())
    http = field(1, "1") + field(2, "GET") + headers + field(4, PATH) + field(5, "a") + field(10, "HTTP/1.1")
    message = field(1, field(1, field(1, address)) + field(4, field(2, http)))
    return b"\0" + len(message).to_bytes(4, "big") + message


def measure_grpc(d, token, seconds):
    with open(f"{d}/check", "wb") as f:
        f.write(check_request(token))
    pids = listeners(SIDECAR)
    before = cpu_seconds(pids)
    out = subprocess.run(["h2load", "-c1", "-m32", f"-D{seconds}", "-d", f"{d}/check", "-H", "content-type: application/grpc",
                          "-H", "te: trailers",
                          f"http://127.0.0.1:{SIDECAR}/envoy.service.auth.v3.Authorization/Check"],
                         capture_output=True, text=True).stdout
    used = cpu_seconds(pids) - before
    requests = int(re.search(r"requests: .* (\d+) succeeded", out).group(1))
    # Over gRPC a refusal is a success: the last lines of the access log tell.
    with open(f"{d}/kgate.log", "rb") as f:
        f.seek(-min(20_000, f.seek(0, 2)), 2)
        lines = f.read().splitlines()[1:-1]
    bad = sum(b'"allow"' not in line for line in lines)
    return {"us": used / max(requests, 1) * 1e6, "rps": requests / seconds, "rss": rss_mb(pids), "bad": bad}


def measure_h2(port, token, seconds):
    """As `measure`, over TLS and HTTP/2."""
    pids = listeners(port)
    before = cpu_seconds(pids)
    out = subprocess.run(["h2load", "-c8", "-m4", f"-D{seconds}", "-H", f"Authorization: Bearer {token}",
                          f"https://127.0.0.1:{port}{PATH}"], capture_output=True, text=True).stdout
    used = cpu_seconds(pids) - before
    if "Application protocol: h2" not in out:
        sys.exit(f"no HTTP/2 on {port}: {out}")
    good, bad = re.search(r"status codes: (\d+) 2xx, (.*)", out).groups()
    requests = int(good)
    return {"us": used / max(requests, 1) * 1e6, "rps": requests / seconds, "rss": rss_mb(pids),
            "bad": sum(int(n) for n in re.findall(r"(\d+) [345]xx", bad))}


def latency(d, base, token, rps, seconds, protocol=("--h1",)):
    """Latencies in microseconds, sorted, at `rps` requests a second over 8 connections."""
    log = f"{d}/h2load.log"
    if os.path.exists(log):
        os.remove(log)
    unix = base.startswith("unix:")
    command = ["h2load", *protocol, "-c8", f"--rps={rps / 8:.1f}", f"-D{seconds}", "--log-file", log,
               "-H", f"Authorization: Bearer {token}"] + (["-B", base] if unix else [])
    subprocess.run(command + [(f"http://127.0.0.1:{KGATE}" if unix else base) + PATH], capture_output=True, check=True)
    rows = [line.split() for line in open(log)]
    return sorted(int(r[2]) for r in rows if r[1] == "200")


def added_latency(d, token, rps, seconds):
    rows = []
    for name, direct, through in (("TCP", f"http://127.0.0.1:{BACKEND}", f"http://127.0.0.1:{KGATE}"),
                                  ("Unix socket", f"unix:{d}/up.sock", f"unix:{d}/kgate.sock")):
        a, b = (latency(d, base, token, rps, seconds) for base in (direct, through))
        if a and b:
            rows.append({"over": name, "rps": rps, "p50_us": at(b, .5) - at(a, .5), "p99_us": at(b, .99) - at(a, .99),
                         "direct_p50_us": at(a, .5), "direct_p99_us": at(a, .99)})
    return rows


def at(sorted_values, quantile):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * quantile))]


def latencies_at_half(d, targets, medians, seconds):
    """Of each gateway at half of its own throughput, in each way it can be spoken to."""
    rows = []
    for name in filter(targets.get, PEERS):
        port, token, _ = targets[name]
        for way, row, scheme, port, protocol in (("TCP", name, "http", port, ("--h1",)),
                                                 ("TLS", f"{name} tls", "https", port + TLS, ("--h1",)),
                                                 ("HTTP/2", f"{name} h2", "https", port + TLS, ())):
            rps = medians[row]["rps"] / 2
            found = latency(d, f"{scheme}://127.0.0.1:{port}", token, rps, seconds, protocol)
            if found:
                rows.append({"gateway": name, "over": way, "rps": rps, "p50_us": at(found, .5), "p99_us": at(found, .99)})
    return rows


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--kgate", default="target/release/kgate")
    a.add_argument("--envoy", default=shutil.which("envoy"))
    a.add_argument("--keys", type=int, default=100_000)
    a.add_argument("--seconds", type=int, default=3, help="of each measurement")
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--without", action="append", default=[], help="leave out nginx, haproxy or envoy")
    a.add_argument("--json", action="store_true")
    o = a.parse_args()
    d = tempfile.mkdtemp(prefix="kgate-bench-")
    started, targets = [], {}

    def start(command):
        log = open(f"{d}/{os.path.basename(command[0])}.log", "a")
        started.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))

    try:
        for port in (BACKEND, SIDECAR, BESIDE, ALONE, QUIET, ADMIN, *PEERS.values(), *(p + TLS for p in PEERS.values())):
            if listeners(port):
                sys.exit(f"port {port} is in use")
        certificate(d)
        start(backend(d))
        wait_port(BACKEND)
        for name, port, make in (("nginx", NGINX, nginx), ("haproxy", HAPROXY, haproxy), ("envoy", ENVOY, envoy)):
            binary = o.envoy if name == "envoy" else shutil.which(name)
            if name in o.without or not binary:
                continue
            start(make(d, o.keys, port, binary) if name == "envoy" else make(d, o.keys, port))
            targets[name] = (port, key(7), PATH)
            if name == "envoy":
                start(envoy(d, 0, ALONE, binary))
                targets["alone"] = (ALONE, key(7), PATH)
        command, token, made = kgate(d, o.keys, o.kgate)
        start(command)
        targets["kgate"] = (KGATE, token, PATH)
        start(scrape(d))
        start(kgate_quiet(d, o.kgate))
        targets["quiet"] = (QUIET, token, PATH)
        targets["public"] = (KGATE, token, "/public/x")
        targets["quota"] = (KGATE, token, "/quota/x")
        targets["jwt"] = (KGATE, token, "/jwt/x")
        targets["jti"] = (KGATE, token, "/jti/x")
        for name, (port, _, _) in list(targets.items()):
            if not wait_port(port):
                print(f"{name}: nothing listens on {port}; left out", file=sys.stderr)
                del targets[name]
        asks = {n: lambda to=to: measure(to[0], to[1], o.seconds, to[2]) for n, to in targets.items()}
        original = ("X-Forwarded-Method: GET", f"X-Forwarded-Uri: {PATH}", "X-Forwarded-Host: a", "X-Forwarded-For: 127.0.0.1")
        asks["http"] = lambda: measure(SIDECAR, token, o.seconds, "/forward-auth", original)
        if shutil.which("h2load"):
            asks["grpc"] = lambda: measure_grpc(d, token, o.seconds)
        if "envoy" in targets:
            start(envoy_beside(d, o.envoy))
            wait_port(BESIDE)
            asks["beside"] = lambda: measure(BESIDE, token, o.seconds, PATH, also=(SIDECAR,))
        for n in filter(targets.get, PEERS):
            asks[f"{n} tls"] = lambda to=targets[n]: measure(to[0] + TLS, to[1], o.seconds, PATH, scheme="https")
            if shutil.which("h2load"):
                asks[f"{n} h2"] = lambda to=targets[n]: measure_h2(to[0] + TLS, to[1], o.seconds)
        rows = {n: [] for n in asks}
        for _ in range(o.rounds):
            for n, ask in asks.items():
                rows[n].append(ask())
        medians = {n: {k: statistics.median(r[k] for r in rs) for k in rs[0]} for n, rs in rows.items()}
        added, halves = [], []
        if shutil.which("h2load"):
            added = added_latency(d, token, medians["kgate"]["rps"] / 2, o.seconds)
            halves = latencies_at_half(d, targets, medians, o.seconds)
    finally:
        for p in started:
            try:
                os.killpg(p.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        for p in started:
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
        shutil.rmtree(d, ignore_errors=True)

    if o.json:
        print(json.dumps({"gateways": medians, "added_latency": added, "latency_at_half": halves, "keys_per_second": made}))
        return
    for n, m in medians.items():
        note = f"  {m['bad']:.0f} BAD ANSWERS" if m["bad"] else ""
        print(f"{n:10s} {m['us']:7.2f} us CPU/request  {m['rps']:8.0f} requests/s  {m['rss']:6.0f} MB{note}")
    us = {n: m["us"] for n, m in medians.items()}
    print()
    for label, what, over, bar in (
            ("kgate : haproxy", "kgate", "haproxy", 1.5), ("kgate : envoy", "kgate", "envoy", 0.5),
            ("without a log : haproxy", "quiet", "haproxy", None), ("without a log : envoy", "quiet", "envoy", None),
            ("kgate : nginx", "kgate", "nginx", None), ("policies : public route", "kgate", "public", 1.10),
            ("log and metrics : neither", "kgate", "quiet", 1.08),
            ("two quotas : none", "quota", "kgate", None), ("a signed token : none", "jwt", "kgate", 1.10),
            ("one for every request : none", "jti", "kgate", None),
            ("check over HTTP : proxied", "http", "kgate", 0.8), ("check over gRPC : proxied", "grpc", "kgate", 1.3),
            ("envoy : envoy alone", "envoy", "alone", None), ("envoy and kgate : alone", "beside", "alone", None),
            ("envoy and kgate : envoy", "beside", "envoy", None)):
        if what in us and over in us:
            ratio = us[what] / us[over]
            verdict = "" if bar is None else f"  bar {bar:.2f}  {'met' if ratio <= bar else 'MISSED'}"
            print(f"{label:26s} {ratio:6.2f}{verdict}")
    kept = {n: medians[f"{n} tls"]["rps"] / medians[n]["rps"] for n in PEERS if f"{n} tls" in medians}
    best = max((ratio for n, ratio in kept.items() if n != "kgate"), default=0)
    for n, ratio in kept.items():
        verdict = "" if n != "kgate" or not best else f"  bar {best * 0.9:.2f}  {'met' if ratio >= best * 0.9 else 'MISSED'}"
        print(f"{n + ': TLS keeps':26s} {ratio:6.2f}{verdict}")
    for n in PEERS:
        for way in ("tls", "h2"):
            if f"{n} {way}" in us and n != "kgate":
                print(f"{'kgate : ' + n + ', ' + way:26s} {us['kgate ' + way] / us[n + ' ' + way]:6.2f}")
    print(f"{'key create --count':26s} {made:6.0f} keys/s  bar 30000  {'met' if made >= 30000 else 'MISSED'}")
    per_core = 1e6 / us["kgate"]
    month = 30 * 86400
    print(f"{'one core':26s} {per_core:6.0f} requests/s, {per_core * month / 1e9:.0f} thousand million a month;"
          f" 500 million a month need {500e6 / (per_core * month):.4f} cores")
    for r in added:
        print(f"added over direct, {r['over']:11s} p50 {r['p50_us']:5.0f} us  p99 {r['p99_us']:5.0f} us"
              f"  at {r['rps']:.0f} requests/s (direct: {r['direct_p50_us']:.0f}, {r['direct_p99_us']:.0f})")
    for r in halves:
        print(f"at half load, {r['gateway']:8s} {r['over']:7s} p50 {r['p50_us']:5.0f} us  p99 {r['p99_us']:5.0f} us"
              f"  at {r['rps']:.0f} requests/s")


if __name__ == "__main__":
    main()
