#!/bin/bash
# A real Apache Kafka for tests on 127.0.0.1: KRaft, broker and controller in
# one process. Needs java 17 or later, mvn and openssl (.ci/deps).
#   kafka.sh get            the jars from Maven into the cache; does nothing when they are there
#   kafka.sh certs DIR      a CA, certificates of a server and a client, and those that tests get wrong
#   kafka.sh format DIR     makes the storage of a node, whose server.properties are in DIR
#   kafka.sh run DIR        runs that node, its pid in DIR/pid, until standard input ends: the node
#                           dies with whoever started it, however that one dies
# KAFKA_VERSION is 4.4.0 unless set. KAFKA_FORMAT_ARGS are further words for format.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=${KAFKA_VERSION:-4.4.0}
libs=${XDG_CACHE_HOME:-$HOME/.cache}/wormscope/kafka-$version
jvm="-Xms128m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData"

# get is called by several test processes at a time. All Mavens of the tests wait
# for the same lock: their repository is not for two at once.
get() {
  [ -f "$libs/.complete" ] && return
  mkdir -p "$(dirname "$libs")"
  exec 9>"${libs%/*}/maven.lock"
  flock 9
  [ -f "$libs/.complete" ] && return
  case $version in 3.*) provider=slf4j-reload4j ;; *) provider=slf4j-simple ;; esac
  rm -rf "$libs"
  mvn -B -q -C -f "$here/pom.xml" -Dkafka.version="$version" -Dslf4j.provider=$provider \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$libs" >&2
  (cd "$libs" && sha256sum --quiet --strict -c "$here/jars-$version.sha256") >&2
  touch "$libs/.complete"
}

# logging prints the options that make a node log to standard output: 3.x
# through reload4j, 4.x through slf4j-simple.
logging() { # DIR LEVEL
  if ls "$libs"/reload4j-*.jar >/dev/null 2>&1; then
    cat >"$1/log4j.properties" <<P
log4j.rootLogger=${2^^},o
log4j.appender.o=org.apache.log4j.ConsoleAppender
log4j.appender.o.layout=org.apache.log4j.PatternLayout
log4j.appender.o.layout.ConversionPattern=%d{ISO8601} %p %c{1} %m%n
P
    echo "-Dlog4j.configuration=file:$1/log4j.properties"
  else
    echo "-Dorg.slf4j.simpleLogger.defaultLogLevel=$2 -Dorg.slf4j.simpleLogger.showDateTime=true" \
      "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS -Dlog4j2.level=OFF"
  fi
}

# issue makes a key and a certificate that a CA signs.
issue() { # NAME CA SUBJECT-ALTERNATIVE-NAMES
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 30 -out "$1.pem" \
    -extfile <(echo "subjectAltName=$3")
}

certs() { # DIR
  mkdir -p "$1"
  cd "$1"
  for ca in ca otherca; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=wormscope $ca" -keyout $ca.key -out $ca.pem
  done
  issue server ca IP:127.0.0.1
  issue client ca DNS:client
  issue stranger otherca DNS:stranger
  cat server.key server.pem >server.keystore.pem # PKCS#8 key, then the chain
}

case ${1:-} in
get) get ;;
certs) certs "$2" >"$2.log" 2>&1 || { cat "$2.log" >&2; exit 1; } ;;
format)
  # shellcheck disable=SC2046,SC2086 # several words each
  java $jvm -cp "$libs/*" $(logging "$2" warn) kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qk \
    -c "$2/server.properties" ${KAFKA_FORMAT_ARGS:-} >"$2/format.log" 2>&1 || { cat "$2/format.log" >&2; exit 1; } ;;
run)
  # shellcheck disable=SC2046,SC2086 # several words each
  java $jvm -cp "$libs/*" $(logging "$2" info) kafka.Kafka "$2/server.properties" >"$2/out.log" 2>&1 </dev/null &
  echo $! >"$2/pid.new"
  mv "$2/pid.new" "$2/pid"
  read -r _ || true
  kill -KILL $! 2>/dev/null || true
  wait $! 2>/dev/null || true ;;
*) sed -n '2,11p' "$0"; exit 2 ;;
esac
