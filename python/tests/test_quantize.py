"""quantize(): a smaller model whose vectors are close to the exact ones."""
import pytest
import sutra

TEXTS = ["A man is eating food.", "Rivers flow into the sea.", "interest rates rose", "a kitten sleeps"]


def test_a_quantized_model_is_close_to_the_exact_one(model, tmp_path):
    output = tmp_path / "int8.sutra"
    linears = sutra.quantize(model.path, output)
    assert len(linears) >= 24 and {row["format"] for row in linears} == {"int8"}
    with sutra.Model(output) as other:
        assert "precision='int8'" in repr(other)
        for ours, exact in zip(other.encode(TEXTS), model.encode(TEXTS)):
            assert sutra.similarity(ours, exact)[0, 0] > 0.97


def test_what_quantize_refuses(model, tmp_path):
    for options, words in (({"precision": "int3"}, "precision 'int3'"), ({"scales": "best"}, "scales 'best'"),
                           ({"scales": "mse"}, "texts")):
        with pytest.raises(ValueError, match=words):
            sutra.quantize(model.path, tmp_path / "x.sutra", **options)
    with pytest.raises(TypeError, match="item 1"):
        sutra.quantize(model.path, tmp_path / "x.sutra", texts=["a", None])
    assert not list(tmp_path.iterdir())
