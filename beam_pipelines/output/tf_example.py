"""`tf.train.Example` messages, without TensorFlow.

Importing TensorFlow takes a Beam worker longer than writing ten thousand records. The message is
declared here to protobuf, field for field as in TensorFlow's `example.proto`, and serialized
deterministically, which TensorFlow's own class does only on request.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "tensorflow"
_Field = descriptor_pb2.FieldDescriptorProto


def serialize(
    image: bytes,
    label: int | list[int],
    shape: tuple[int, int, int],
    file_name: str,
    weight: float | None = None,
) -> bytes:
    """Return one record with the keys of `dataset_dir.RECORD_KEYS`.

    Args:
        image: the image, encoded.
        label: index of the class; in a multi-label dataset the indices of all, ascending.
        shape: rows, columns, channels of the decoded image.
        file_name: path below the source.
        weight: weight of the image in training; None where the source gave none at all.
    """
    example = _Example()
    feature = example.features.feature
    feature["image"].bytes_list.value.append(image)
    classes = [label] if isinstance(label, int) else label
    feature["label"].int64_list.SetInParent()  # a list, where there are none as well
    feature["label"].int64_list.value.extend(classes)
    feature["shape"].int64_list.value.extend(shape)
    feature["file_name"].bytes_list.value.append(file_name.encode())
    if weight is not None:
        feature["weight"].float_list.value.append(weight)
    return example.SerializeToString(deterministic=True)


def _example_class() -> type:
    """Declare Example, and what it is made of, in a pool of their own."""
    file = descriptor_pb2.FileDescriptorProto(
        name="example.proto", package=_PACKAGE, syntax="proto3"
    )

    def message(name: str, *fields: tuple[str, int, int, str]) -> descriptor_pb2.DescriptorProto:
        declared = file.message_type.add(name=name)
        for field, number, label, kind in fields:
            added = declared.field.add(name=field, number=number, label=label)
            if kind in ("bytes", "float", "int64", "string"):
                added.type = getattr(_Field, f"TYPE_{kind.upper()}")
            else:
                added.type, added.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
        return declared

    one, many = _Field.LABEL_OPTIONAL, _Field.LABEL_REPEATED
    message("BytesList", ("value", 1, many, "bytes"))
    message("FloatList", ("value", 1, many, "float"))
    message("Int64List", ("value", 1, many, "int64"))
    feature = message(
        "Feature",
        ("bytes_list", 1, one, "BytesList"),
        ("float_list", 2, one, "FloatList"),
        ("int64_list", 3, one, "Int64List"),
    )
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    features = message("Features", ("feature", 1, many, "Features.FeatureEntry"))
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=one, type=_Field.TYPE_STRING)
    entry.field.add(
        name="value",
        number=2,
        label=one,
        type=_Field.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.Feature",
    )
    message("Example", ("features", 1, one, "Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))


_Example = _example_class()
