"""Holds OCSF documents, one a line on standard input, against the published
JSON schema of their class, with the profiles that they declare. Prints each
fault after the number of its line, then how many documents there were."""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

VERSION = "1.8.0"


def main():
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))
    validators = {}
    count = 0
    for count, line in enumerate(sys.stdin, 1):
        document = json.loads(line)
        profiles = tuple(document.get("metadata", {}).get("profiles", []))
        if profiles not in validators:
            name = schema.lookup_class_name_from_uid(class_uid=2004)
            validators[profiles] = Draft202012Validator(
                schema.get_class_schema(class_name=name, profiles=list(profiles))
            )
        for error in validators[profiles].iter_errors(document):
            print(f"{count}: {error.json_path}: {error.message}")
        if document.get("type_uid") != 2004 * 100 + document.get("activity_id", 0):
            print(f"{count}: $.type_uid: does not follow from class_uid and activity_id")
    print("checked", count)


main()
