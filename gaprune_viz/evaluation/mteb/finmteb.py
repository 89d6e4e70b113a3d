"""The English sets of FinMTEB as task classes (Tang and Yang, FinMTEB, arXiv 2502.10990; data `FinanceMTEB/*`).

mteb does not carry them. Repositories, revisions, splits and columns are those that the published benchmark names
(github.com/yixuantt/FinMTEB). They could not be loaded where this was written, which has no network: the first run
with a network shows whether the Hub still holds them in this form.

Left out: HeadlineACPairClassification, because its published definition loads the data of HeadlinePDU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mteb import AbsTask

CITATION = (
    "@article{tang2025finmteb, title={FinMTEB: Finance Massive Text Embedding Benchmark}, "
    "author={Tang, Yixuan and Yang, Yi}, journal={arXiv preprint arXiv:2502.10990}, year={2025}}"
)
MAIN_SCORES = {
    "Classification": "accuracy",
    "Clustering": "v_measure",
    "PairClassification": "max_ap",
    "Reranking": "map_at_1000",
    "Retrieval": "ndcg_at_10",
    "STS": "cosine_spearman",
    "Summarization": "cosine_spearman",
}


@dataclass(frozen=True)
class FinSet:
    """One data set of FinMTEB.

    Attributes:
        kind: mteb's task type.
        repository: on the Hub, below `FinanceMTEB/`.
        revision: commit of the data.
        what: what it asks, for people.
        split: the split that is evaluated.
        columns: name in the data -> name that mteb's class reads.
    """

    kind: str
    repository: str
    revision: str
    what: str
    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)


_SENTENCE = {"sentence": "text"}
_PAIR = {"sent1": "sentence1", "sent2": "sentence2"}
_SUMMARY = {"text": "sentence1", "summary": "sentence2"}

SETS: dict[str, FinSet] = {
    "FinSTS": FinSet("STS", "FinSTS", "09e270b1afe87a65dd41c6292e3c8905220bc290", "Shifts of meaning in reports"),
    "FINAL": FinSet("STS", "Final", "00506d0f1853ebe9fcc5112fb36a4cc4cc521695", "Signals in financial reports"),
    "FiQA2018Retrieval": FinSet(
        "Retrieval", "FiQA", "d52555df9c5c856a01931c112e03eaa0f2d8d6d4", "Replies to financial questions", "train"
    ),
    "FinanceBenchRetrieval": FinSet(
        "Retrieval", "FinanceBench", "4738010357e3dda4b337abbde86d5b36c3118c8f", "Evidence in filings", "train"
    ),
    "HC3Retrieval": FinSet(
        "Retrieval", "HPC3-finance", "7018353fb281b866e5934eeb496251be4ad3585f", "Answers to questions", "train"
    ),
    "Apple10KRetrieval": FinSet(
        "Retrieval", "Apple-10K-2022", "27d0b84029e5de607fc7a8e2fb2a315e9b71f570", "An annual report", "train"
    ),
    "FinQARetrieval": FinSet(
        "Retrieval", "FinQA", "1d4500eefb223c2977187649928561e14108042a", "Numerical reasoning", "train"
    ),
    "TATQARetrieval": FinSet(
        "Retrieval", "TATQA", "11b15221dd850044dc2261ce633e692851c8b7e2", "Tables and texts", "train"
    ),
    "USNewsRetrieval": FinSet(
        "Retrieval", "USnews", "dda970333494c509262e91d2b44d43430e985b3c", "Articles of headlines", "train"
    ),
    "TradeTheEventEncyclopediaRetrieval": FinSet(
        "Retrieval", "TradeTheEventEncyclopedia", "7fa70ba6624011d65a311df86193b4b5587969bc", "Terms", "train"
    ),
    "TradeTheEventNewsRetrieval": FinSet(
        "Retrieval", "TradeTheEventNews", "9d499d833355b8ef1810073e5f2aa174d743d4d0", "Articles", "train"
    ),
    "TheGoldmanEnRetrieval": FinSet(
        "Retrieval", "TheGoldmanEncyclopedia-en", "c33ce9ced2224b9c6d9e425196edc36f53400ec1", "Terms", "train"
    ),
    "FinancialPhraseBankClassification": FinSet(
        "Classification",
        "financial_phrasebank",
        "14efe6ac2635395e768682e0b91ce794b50c7ff3",
        "Sentiment of news",
        "train",
    ),
    "FinSentClassification": FinSet(
        "Classification", "FinSent", "68ee0f0abf596e371ef6a308f685071e3b737bbb", "Sentiment of reports"
    ),
    "FiQAClassification": FinSet(
        "Classification", "FiQA_ABSA", "afa907ab4c6441afb8ee70bd99802bb707d3d2ab", "Sentiment of posts"
    ),
    "SemEva2017Classification": FinSet(
        "Classification",
        "SemEva2017_Headline",
        "f0e198ba04c23d949ef803ce32ee1e4f2d8d3696",
        "Sentiment of headlines",
        columns=_SENTENCE,
    ),
    "FLSClassification": FinSet(
        "Classification", "FLS", "39b6719f1d7197df4498fea9fce20d4ad782a083", "Forward-looking statements"
    ),
    "ESGClassification": FinSet(
        "Classification", "ESG", "521d56feabadda80b11d6adcc6b335d4c5ad8285", "Environment, society, governance"
    ),
    "FOMCClassification": FinSet(
        "Classification",
        "FOMC",
        "cdaf1306a24bc5e7441c7c871343efdf4c721bc2",
        "Hawkish or dovish",
        columns=_SENTENCE,
    ),
    "FinancialFraudClassification": FinSet(
        "Classification",
        "FinancialFraud",
        "e569a69e058ad8504f03556cd05c36700767d193",
        "Fraud in filings",
        columns=_SENTENCE,
    ),
    "MInDS14EnClustering": FinSet(
        "Clustering", "MInDS-14-en", "141ac6a9010b851452a9327edfda190d37399b15", "Intents in e-banking"
    ),
    "ComplaintsClustering": FinSet(
        "Clustering", "Complaints", "6704122294b7693f5e544cdde1e4a3e80b291b76", "Complaints of consumers"
    ),
    "PiiClustering": FinSet(
        "Clustering", "synthetic_pii_finance_en", "5021671d60a324d576a7b57e4c4e13bfcf857a4d", "Kinds of documents"
    ),
    "FinanceArxivS2SClustering": FinSet(
        "Clustering", "FinanceArxiv-s2s", "78f66d3bbea9b1d7f11df84bc55b21b24302dcee", "Titles of papers"
    ),
    "FinanceArxivP2PClustering": FinSet(
        "Clustering", "FinanceArxiv-p2p", "5cc8768f04d39e9a16b84fc236dec93d8b173b64", "Abstracts of papers"
    ),
    "WikiCompany2IndustryClustering": FinSet(
        "Clustering", "WikiCompany2Industry-en", "9b7c45122b764fc1e09c5b29cee887cfa4f8f395", "Industries"
    ),
    "HeadlinePDDPairClassification": FinSet(
        "PairClassification",
        "HeadlinePDD-PairClassification",
        "ad0150ed63940e88846659e46be5138aa0db6c85",
        "Headlines of falling prices",
        columns=_PAIR,
    ),
    "HeadlinePDUPairClassification": FinSet(
        "PairClassification",
        "HeadlinePDU-PairClassification",
        "afa5a612a01b9c0a8058fba44a3bdf66173583eb",
        "Headlines of rising prices",
        columns=_PAIR,
    ),
    "FiQA2018Reranking": FinSet(
        "Reranking", "FiQA-reranking", "f6934c7980c19a3acb8aeba3b66b4766fbb4b9db", "Replies to questions"
    ),
    "FinFactReranking": FinSet(
        "Reranking", "FinFact-reranking", "70435b4984c687051ecf38b9d2686f33345dcced", "Evidence for claims"
    ),
    "HC3Reranking": FinSet(
        "Reranking", "HPC3-reranking", "538a43bb89e86fd40a8d1b9c7e630f8c3aa67a6c", "Answers to questions"
    ),
    "Ectsum": FinSet(
        "Summarization", "ECTsum", "036a3cbc49ce9e77af1832693a32bfdf6207bb57", "Earnings calls", columns=_SUMMARY
    ),
    "FINDsum": FinSet(
        "Summarization", "FINDsum", "0ca87ef0286fc1451841761a684548dc1ca36070", "Long reports", columns=_SUMMARY
    ),
    "FNS2022sum": FinSet(
        "Summarization", "FNS", "3a6eaec26efc16f5668d0c1511b4309152998466", "Annual reports", columns=_SUMMARY
    ),
}


def finmteb_task(name: str) -> AbsTask:
    """A new mteb task for one of `SETS`. Nothing is loaded yet."""
    return _task_class(name)()


@cache
def _task_class(name: str) -> Any:
    from mteb.abstasks.task_metadata import TaskMetadata

    found = SETS[name]
    base, more = _base(found.kind)

    def rename(self: Any, num_proc: int | None = None, **options: Any) -> None:
        self.dataset = self.dataset.rename_columns(dict(found.columns))

    metadata = TaskMetadata(
        name=name,
        description=f"FinMTEB: {found.what}.",
        reference="https://arxiv.org/abs/2502.10990",
        dataset={"path": f"FinanceMTEB/{found.repository}", "revision": found.revision},
        type=found.kind,  # type: ignore[arg-type]
        category="t2c" if found.kind in ("Classification", "Clustering") else "t2t",
        eval_splits=[found.split],
        eval_langs=["eng-Latn"],
        main_score=MAIN_SCORES[found.kind],
        domains=["Financial", "Written"],
        bibtex_citation=CITATION,
    )
    if found.columns:
        more["dataset_transform"] = rename
    return type(name, (base,), {"metadata": metadata, "__module__": __name__, **more})


def _base(kind: str) -> tuple[type, dict[str, Any]]:
    """mteb's class for a task type, and what is set on it."""
    from mteb.abstasks.classification import AbsTaskClassification
    from mteb.abstasks.clustering_legacy import AbsTaskClusteringLegacy
    from mteb.abstasks.pair_classification import AbsTaskPairClassification
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.sts import AbsTaskSTS

    if kind == "Reranking":
        return AbsTaskRetrieval, {"load_data": _load_candidates}
    # The published summaries are scored as pairs of a text and its summary.
    return {
        "Classification": AbsTaskClassification,
        "Clustering": AbsTaskClusteringLegacy,
        "PairClassification": AbsTaskPairClassification,
        "Retrieval": AbsTaskRetrieval,
        "STS": AbsTaskSTS,
        "Summarization": AbsTaskSTS,
    }[kind], ({"min_score": 0, "max_score": 1} if kind in ("STS", "Summarization") else {})


def _load_candidates(self: Any, num_proc: int | None = None, **options: Any) -> None:
    """Rows of a query with texts that answer it and texts that do not: a search among these alone."""
    from datasets import load_dataset

    if self.data_loaded:
        return
    split = self.metadata.eval_splits[0]
    rows = load_dataset(**self.metadata.dataset, split=split, num_proc=num_proc)
    self.dataset = {"default": {split: candidates(rows)}}
    self.data_loaded = True


def candidates(rows: Any) -> dict[str, Any]:
    """Rows with `query`, `positive` and `negative` as mteb holds a reranking task."""
    from datasets import Dataset

    corpus: list[dict[str, str]] = []
    queries: list[dict[str, str]] = []
    relevant: dict[str, dict[str, int]] = {}
    ranked: dict[str, list[str]] = {}
    for number, row in enumerate(rows):
        query_id = f"q{number}"
        queries.append({"id": query_id, "text": row["query"]})
        relevant[query_id], ranked[query_id] = {}, []
        for grade, texts in ((1, row["positive"]), (0, row["negative"])):
            for position, text in enumerate(texts):
                id = f"{query_id}-{'positive' if grade else 'negative'}-{position}"
                corpus.append({"id": id, "title": "", "text": text})
                relevant[query_id][id] = grade
                ranked[query_id].append(id)
    return {
        "corpus": Dataset.from_list(corpus),
        "queries": Dataset.from_list(queries),
        "relevant_docs": relevant,
        "top_ranked": ranked,
    }
