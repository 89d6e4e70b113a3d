"""How the loss reacts to a weight: Fisher information, Taylor expansions, optimal brain damage."""

from __future__ import annotations

from gaprune_viz.criteria.criterion import PAPER, Criterion

CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "fisher_domain",
        "Domain Fisher",
        r"F_d",
        ("fisher_domain",),
        f"{PAPER}, baseline",
        lambda w, s: w.fisher_domain,
        removes="the weights with the least Fisher information on domain data",
    ),
    Criterion(
        "fisher_general",
        "General Fisher",
        r"F_g",
        ("fisher_general",),
        f"{PAPER}, baseline",
        lambda w, s: w.fisher_general,
        removes="the weights with the least Fisher information on general data",
    ),
    Criterion(
        "taylor_domain",
        "Domain Taylor",
        r"|\theta\,\bar g_d|",
        ("theta", "grad_domain"),
        "Molchanov et al., Importance estimation for neural network pruning, CVPR 2019",
        lambda w, s: (w.theta * w.grad_domain).abs(),
        removes="the weights whose removal changes the domain loss least to first order",
    ),
    Criterion(
        "obd_domain",
        "Domain OBD",
        r"F_d\,\theta^2",
        ("theta", "fisher_domain"),
        "LeCun, Denker and Solla, Optimal brain damage, NeurIPS 1989, with Fisher information for the Hessian",
        lambda w, s: w.fisher_domain * w.theta.square(),
        removes="the weights with the least Fisher information times θ² on domain data",
    ),
    Criterion(
        "obd_joint",
        "Joint OBD",
        r"(F_d+F_g)\,\theta^2",
        ("theta", "fisher_domain", "fisher_general"),
        "LeCun, Denker and Solla, Optimal brain damage, NeurIPS 1989, on domain and general data together",
        lambda w, s: (w.fisher_domain + w.fisher_general) * w.theta.square(),
        removes="the weights with the least Fisher information times θ² on domain and general data together",
    ),
)
