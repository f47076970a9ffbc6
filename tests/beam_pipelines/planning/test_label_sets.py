"""What the labels of the image table stand for."""

from beam_pipelines.planning import label_sets

CLASSES = ["dog", "cat", "eel"]


def test_a_label_is_a_class_where_an_image_has_one():
    labels = label_sets.single(CLASSES)
    for number, name in enumerate(CLASSES):
        assert labels.index(name) == labels.stored(number) == number
        assert labels.names(number) == [name]


def test_a_label_is_a_set_of_classes_whatever_the_order_of_images_and_names():
    images = [["cat", "dog"], [], ["eel"], ["dog", "cat"], ["cat"]]
    labels = label_sets.collect(CLASSES, images)
    assert labels == label_sets.collect(CLASSES, [each[::-1] for each in images[::-1]])
    assert labels.classes_of == [[], [0, 1], [1], [2]]
    assert [labels.index(each) for each in images] == [1, 0, 3, 1, 2]
    assert labels.stored(1) == [0, 1]
    assert labels.names(1) == ["dog", "cat"]
    assert labels.names(0) == []


def test_names_are_joined_as_listings_have_them():
    assert label_sets.text(["cat", "dog"]) == "cat|dog"
    assert label_sets.text([]) == "no class"
