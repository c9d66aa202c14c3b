from fer_core.evaluation.baselines import PUBLISHED, published_for
from fer_core.labels import CKPLUS, FER2013, FER2013_FIVE, FERPLUS


def test_the_five_class_figures_are_those_of_the_authors():
    figures = {name: published_for(name, FER2013_FIVE) for name in ("vggnet", "resnet", "senet")}
    assert {name: (f.accuracy, f.macro_recall, f.macro_precision) for name, (f,) in figures.items()} == {
        "vggnet": (0.738, 0.72734, 0.7438),
        "resnet": (0.6861, 0.66094, 0.66726),
        "senet": (0.7589, 0.7322, 0.7537),
    }


def test_the_other_figures_are_those_of_the_authors():
    assert [(f.accuracy, f.training_accuracy) for f in published_for("cnn4", FER2013)] == [(0.66, 0.84), (0.67, None)]
    assert [(f.accuracy, f.macro_f1) for f in published_for("vgg16", FER2013)] == [(0.70, 0.632)]
    assert [(f.accuracy, f.macro_f1) for f in published_for("resnet152v2", FER2013)] == [(0.65, 0.6616), (0.48, 0.31)]
    assert [f.accuracy for f in published_for("resnet50", CKPLUS)] == [0.976]
    assert [f.accuracy for f in published_for("resnet50", FERPLUS)] == [0.628]
    assert published_for("resnet50", FER2013) == published_for("tiny", FER2013) == ()


def test_training_accuracy_is_never_given_for_accuracy():
    (figure,) = published_for("mobilenet_v2", FER2013)
    assert figure.accuracy is None
    assert str(figure) == "published: on training faces 95.05% (224x224, epoch 25, no test figure)"


def test_every_figure_is_marked_as_published_and_names_its_protocol():
    for figure in PUBLISHED:
        assert str(figure).startswith("published: ")
        assert str(figure).endswith(f"({figure.protocol})")
        assert "|" not in str(figure)
    assert "published: 75.89%, recall 73.22%, precision 75.37%" in str(published_for("senet", FER2013_FIVE)[0])
