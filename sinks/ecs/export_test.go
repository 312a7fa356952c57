package ecs

import "reflect"

// DocumentType is the type of a document, to walk through.
func DocumentType() reflect.Type { return reflect.TypeFor[document]() }
