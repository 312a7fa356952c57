"""Writes feeds with the libraries of MISP and OASIS into a folder."""

import datetime
import json
import pathlib
import sys

import pymisp
import stix2

out = pathlib.Path(sys.argv[1])


def misp_event():
    org = pymisp.MISPOrganisation()
    org.name, org.uuid = "CERT", "55f6ea5e-2c60-40e5-964f-47a8950d210f"
    event = pymisp.MISPEvent()
    event.uuid, event.info, event.Orgc = "5f0c3c9e-1111-4a4a-8888-0123456789ab", "The next worm", org
    event.date, event.timestamp, event.publish_timestamp = datetime.date(2026, 11, 20), 1795132800, 1795132800
    event.threat_level_id, event.analysis, event.distribution, event.published = 1, 2, 3, True
    event.add_tag("tlp:green")
    event.add_attribute("domain", "cc.worm.example", comment="panel", to_ids=True)
    event.add_attribute("ip-dst|port", "203.0.113.10|443", to_ids=True)
    event.add_attribute("domain|ip", "drop.worm.example|198.51.100.7", to_ids=True)
    event.add_attribute("url", "http://load.worm.example/a.exe", to_ids=True)
    event.add_attribute("ip-src", "198.51.100.99", to_ids=False)
    event.add_attribute("md5", "d41d8cd98f00b204e9800998ecf8427e", to_ids=True)
    event.add_attribute("link", "https://report.example/worm", to_ids=False)
    event.add_attribute("hostname", "gone.worm.example", to_ids=True).delete()
    pair = pymisp.MISPObject("domain-ip")
    pair.add_attribute("domain", "pair.worm.example", to_ids=True)
    pair.add_attribute("ip", "2001:db8:77::1", to_ids=True)
    event.add_object(pair)
    return event


def write_misp():
    event = misp_event()
    (out / "event.json").write_text(event.to_json())
    folder = out / "misp"
    folder.mkdir()
    feed = event.to_feed(with_meta=True)["Event"]
    (folder / "manifest.json").write_text(json.dumps(feed.pop("_manifest")))
    (folder / "hashes.csv").write_text("".join(f"{h},{event.uuid}\n" for h in feed.pop("_hashes")))
    (folder / f"{event.uuid}.json").write_text(json.dumps({"Event": feed}, indent=2))


def indicator(pattern, **fields):
    return stix2.v21.Indicator(
        pattern=pattern, pattern_type=fields.pop("pattern_type", "stix"), valid_from="2026-11-20T00:00:00Z", **fields
    )


def write_stix():
    objects = [
        stix2.v21.Identity(name="CERT", identity_class="organization"),
        indicator("[domain-name:value = 'cc.worm.example']", name="Panel", confidence=85, object_marking_refs=[stix2.TLP_AMBER]),
        indicator("[ipv4-addr:value IN ('203.0.113.1','203.0.113.2') OR ipv6-addr:value = '2001:db8:7::1']", valid_until="2027-01-01T00:00:00Z"),
        indicator("[ipv4-addr:value ISSUBSET '198.51.100.0/24']"),
        indicator(
            stix2.ObservationExpression(
                stix2.AndBooleanExpression([
                    stix2.EqualityComparisonExpression("network-traffic:dst_ref.value", "203.0.113.9"),
                    stix2.EqualityComparisonExpression("network-traffic:dst_port", 8443),
                ])
            )
        ),
        indicator("[url:value = 'http://load.worm.example/a.exe']"),
        indicator("[file:hashes.'SHA-256' = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'] OR [domain-name:value = 'alt.worm.example']"),
        indicator("[domain-name:value = 'two.worm.example'] FOLLOWEDBY [ipv4-addr:value = '203.0.113.77']"),
        indicator("[domain-name:value = 'many.worm.example'] REPEATS 5 TIMES WITHIN 1800 SECONDS"),
        indicator("[domain-name:value = 'gone.worm.example']", revoked=True),
        indicator("[domain-name:value = 'fine.example']", indicator_types=["benign"]),
        indicator("[domain-name:value = 'exit.example']", indicator_types=["anonymization"]),
        indicator("rule x { condition: true }", pattern_type="yara"),
        stix2.v21.IPv4Address(value="203.0.113.200"),
    ]
    bundle = stix2.v21.Bundle(*objects)
    (out / "pretty.json").write_text(bundle.serialize(pretty=True))
    (out / "line.json").write_text(bundle.serialize())
    old = stix2.v20.Indicator(labels=["malicious-activity"], pattern="[domain-name:value = 'old.worm.example']", valid_from="2026-11-20T00:00:00Z")
    (out / "old.json").write_text(stix2.v20.Bundle(old).serialize(pretty=True))


write_misp()
write_stix()
