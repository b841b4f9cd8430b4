"""From token ids to vectors."""

from torch import Tensor, nn

from shared.shapes import Sequence, Tokens, expect


class TokenEmbedding(nn.Module):
    """One trained vector a token, drawn from N(0, std²); that of the padding token is zero and stays so.

    An id outside the vocabulary is an ``IndexError`` that names it.
    """

    def __init__(self, vocabulary: int, d_model: int, padding: int | None = 0, std: float = 1.0) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.table = nn.Embedding(vocabulary, d_model, padding_idx=padding)
        nn.init.normal_(self.table.weight, 0.0, std)
        if padding is not None:
            nn.init.zeros_(self.table.weight[padding])

    def forward(self, tokens: Tokens) -> Sequence:
        """The vectors of the tokens."""
        expect(tokens, "B T", "tokens", "a batch of sequences of ids")
        try:
            vectors: Tensor = self.table(tokens)
        except IndexError:
            low, high = int(tokens.min()), int(tokens.max())
            raise IndexError(
                f"token ids run from {low} to {high}, but the vocabulary is 0 to {self.vocabulary - 1}: "
                "build the model with the vocabulary of the data"
            ) from None
        return vectors
