#!/usr/bin/env bash
# A real OpenSearch for tests, on 127.0.0.1, one node, without its security
# plugin. Needs java 17 and mvn, and for the first run Maven's repository.
#   opensearch.sh get              fetches the server into the cache, unless it is there
#   opensearch.sh home DIR         lays out a home for one node in DIR
#   opensearch.sh run DIR PORT     runs the node until standard input ends, so that it dies with whoever
#                                  started it; not as root, which the server refuses
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=2.19.6
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wormscope/opensearch-$version

# get is called by several test processes at a time. All Mavens of the tests wait
# for the same lock: their repository is not for two at once.
get() {
  [ -f "$cache/.complete" ] && return
  mkdir -p "$(dirname "$cache")"
  exec 9>"${cache%/*}/maven.lock"
  flock 9
  [ -f "$cache/.complete" ] && return
  rm -rf "$cache"
  mvn -B -q -C -f "$here/pom.xml" -Dopensearch.version=$version \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$cache" >&2
  (cd "$cache" && sha256sum --quiet --strict -c "$here/jars-$version.sha256") >&2
  touch "$cache/.complete"
}

# home DIR: the server looks for its HTTP transport in a module folder, which
# the published jars do not come in.
home() {
  local module=$1/modules/transport-netty4 jar
  mkdir -p "$1"/{config,lib,plugins,data,logs,tmp} "$module"
  cp "${BASH_SOURCE[0]}" "$1/" # whoever runs it may not come to where this one is
  for jar in "$cache"/*.jar; do
    case ${jar##*/} in
    netty-* | transport-netty4-*) cp "$jar" "$module/" ;;
    *) cp "$jar" "$1/lib/" ;;
    esac
  done
  cat >"$module/plugin-descriptor.properties" <<P
name=transport-netty4
description=transport and HTTP
version=$version
opensearch.version=$version
java.version=11
classname=org.opensearch.transport.Netty4Plugin
has.native.controller=false
P
  printf 'grant {\n  permission java.security.AllPermission;\n};\n' >"$module/plugin-security.policy"
  cat >"$1/config/log4j2.properties" <<'P'
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
P
}

run() {
  cat >"$1/config/opensearch.yml" <<P
cluster.name: wormscope-test
node.name: one
discovery.type: single-node
http.host: 127.0.0.1
http.port: $2
transport.host: 127.0.0.1
transport.port: 0
path.data: $1/data
path.logs: $1/logs
cluster.routing.allocation.disk.threshold_enabled: false
indices.breaker.total.use_real_memory: false
P
  cd "$1"
  java -Xms384m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Djava.security.manager=allow \
    -Djava.io.tmpdir="$1/tmp" -Dopensearch.path.home="$1" -Dopensearch.path.conf="$1/config" -Dlog4j2.disable.jmx=true \
    -cp "$1/lib/*" org.opensearch.bootstrap.OpenSearch &
  { cat >/dev/null; kill -9 $!; } <&0 2>/dev/null &
  wait %1
}

"$@"
