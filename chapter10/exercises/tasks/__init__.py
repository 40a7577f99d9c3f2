"""The tasks, a file each, and the order in which they stand in their notebooks."""

ORDER: dict[str, tuple[str, ...]] = {
    "00": ("kinds", "overlap", "bayes", "draw", "alarm"),
    "01": ("length", "address", "heads", "loss", "rescue"),
    "02": ("tilt", "rise", "kl", "sample", "bound", "search"),
    "03": ("reparameterize", "cut-off", "exponential", "surrogate", "omega", "bits"),
    "04": ("two", "below-zero", "kl-between", "blur", "table", "complete", "train"),
    "05": ("equilibrium", "floor", "smooth", "round", "fastest", "home"),
    "06": ("overnight", "range", "log", "g-loss", "round", "cure"),
    "07": ("sharp", "model", "slerp", "fair", "search"),
    "08": ("log", "annealing", "silent", "free-bits", "fair", "mig"),
    "09": ("dead", "perplexity", "through", "vq-loss", "losses", "completed"),
    "10": ("estimate", "borrowed", "critic", "penalty", "mates", "steepest", "measure"),
    "11": ("notice", "orders", "patch", "losses", "pool", "domain"),
    "12": ("why-noise", "rest", "way-in", "turning", "nearly", "log-det"),
    "13": ("beside", "weights", "pack", "share", "luck", "hours"),
}
