"""The mistakes of a beam search that `e4_tables.search` makes, each with its diagnosis and its words."""

BEAM_MISTAKES = {
    "starts with copies": (
        "identical-beams",
        "the search begins with several copies of the empty hypothesis, so all beams are equal: begin with "
        "one",
    ),
    "best of each parent": (
        "top-k-per-parent",
        "each parent keeps its own best continuations: all K · V candidates compete together",
    ),
    "one of each parent": (
        "top-k-per-parent",
        "each parent keeps its own best continuation: all K · V candidates compete together",
    ),
    "finished ones compete on": (
        "finished-take-places",
        "finished hypotheses stay among the candidates of later steps and take places of the beam: put them "
        "aside",
    ),
    "stops at the first end": (
        "stops-at-the-first-end",
        "the search ends with the first finished hypothesis: one that is still alive may win",
    ),
    "stops when enough ended": (
        "stops-at-the-first-end",
        "the search ends with the first n_best finished hypotheses: those still alive may win",
    ),
    "stops when beam ended": (
        "stops-too-early",
        "the search ends as soon as `beam` hypotheses are finished: those still alive may win",
    ),
    "stops when beam ended, and takes the living": (
        "stops-too-early",
        "the search ends as soon as `beam` hypotheses are finished: those still alive may win",
    ),
    "stops at the first end, and takes the living": (
        "stops-at-the-first-end",
        "the search ends with the first finished hypothesis: one that is still alive may win",
    ),
    "stops when enough ended, and takes the living": (
        "stops-too-early",
        "the search ends with the first n_best finished hypotheses: those still alive may win",
    ),
    "compares live with penalised, and takes the living": (
        "stops-too-early",
        "the search ends when the penalised scores of the live ones fall below the n_best finished ones: a "
        "longer hypothesis is divided by more, and may still win",
    ),
    "compares live with penalised": (
        "stops-too-early",
        "the search ends when the penalised score of the live ones falls below a finished one: a longer "
        "hypothesis is divided by more, and may still win",
    ),
    "unfinished forgotten": (
        "unfinished-forgotten",
        "what is alive at max_len is missing: it is a hypothesis too",
    ),
    "unfinished only if none ended": (
        "unfinished-forgotten",
        "what is alive at max_len is used only if nothing has finished: it competes with the finished ones",
    ),
    "finished ones take places": (
        "finished-take-places",
        "finished hypotheses take up places of the beam: each step keeps the `beam` best of all candidates",
    ),
    "twice as many": (
        "twice-as-many-candidates",
        "2·beam candidates were kept: a step keeps the `beam` best, those that end included",
    ),
    "every end found": (
        "ends-do-not-compete",
        "continuations by eos are put aside as finished although better candidates fill the beam: they "
        "compete with the others",
    ),
    "filled up": (
        "finished-replaced",
        "the places of hypotheses that end are given to further candidates: a step keeps the `beam` best of "
        "all, those that end included, so fewer live on",
    ),
    "eos aside": (
        "ends-do-not-compete",
        "continuations by eos are put aside without competing: they are candidates like the others",
    ),
    "ends first": ("ends-do-not-compete", "candidates that end are preferred: the sums alone count"),
    "last token alone counts": (
        "sum-forgotten",
        "candidates are ranked by their last token alone: by the sum of all log-probabilities",
    ),
    "as greedy": ("beam-is-greedy", "that is greedy search: the `beam` best hypotheses live on, not one"),
    "a step less": ("max-len", "the hypotheses have at most max_len − 1 tokens: max_len counts all but bos"),
    "least probable": ("worst-first", "the least probable candidates stay: sort downwards"),
    "turned round at the end": ("worst-first", "of the n_best, the worst comes first: the best first"),
    "mean": ("penalty-formula", "the score is the mean log-probability: sum / ((5 + n) / 6)^alpha"),
    "penalty at every step": (
        "penalty-at-every-step",
        "the length penalty is applied at every step: sums are compared plainly, scores are made at the end",
    ),
    "alpha fixed": ("alpha-ignored", "`alpha` has no effect: the scores are always those of alpha=0.6"),
    "no length penalty": ("penalty-missing", "`alpha` has no effect: divide the sum by ((5 + n) / 6)^alpha"),
    "penalty is a power of the length": (
        "penalty-formula",
        "the penalty is n^α: ((5 + n) / 6)^α is asked for",
    ),
    "penalty counts bos": ("penalty-length", "n counts bos as well: it counts the tokens of the hypothesis"),
    "penalty counts one less": (
        "penalty-length",
        "the penalty is ((4 + n) / 6)^α: n counts every token of the hypothesis, and 5 is added",
    ),
    "penalty leaves eos out": ("penalty-length", "n leaves eos out: it counts the tokens of the hypothesis"),
    "penalty not divided by 6": ("penalty-formula", "the penalty is (5 + n)^α: divide by 6, ((5 + n) / 6)^α"),
    "penalty multiplied": ("penalty-multiplied", "the sum was multiplied by the penalty: divide by it"),
    "ranked by the sum": (
        "ranked-by-the-sum",
        "hypotheses are ranked by their sums: by their scores at the end",
    ),
    "plain sums returned": ("plain-sums-returned", "the result has the sums: return the scores"),
    "not sorted": ("not-sorted", "the results come in the order in which they were found: the best first"),
    "n_best ignored": ("n-best-ignored", "more than `n_best` hypotheses came back: the n_best best alone"),
    "eos forced": (
        "end-forced",
        "what is alive at max_len got an eos that nobody chose: it stops as it is, unfinished",
    ),
    "worst first": ("worst-first", "the worst hypothesis comes first: sort downwards"),
    "eos stripped": ("eos-stripped", "a finished hypothesis came back without its eos: it ends with it"),
    "bos kept": ("bos-kept", "hypotheses came back with bos: it is no part of them"),
    "probabilities returned": (
        "probabilities-returned",
        "the scores are exponentiated: log-probabilities are asked for",
    ),
}
