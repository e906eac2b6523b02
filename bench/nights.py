"""Simulated nights of shops that are too big for a test (dev/night_model.py says what they are made of).

python -m bench.nights
"""

from dev.night_model import Kind, Site, simulate

HEAD = (
    f"{'night':7}{'items':>10}{'batches':>9}{'runs':>6}{'ERP':>5}{'Medusa':>8}{'hours':>9}"
    f"{'ERP busy':>10}{'Medusa busy':>13}{'requests':>10}"
)


def row(kind: Kind, items: int, batches: int, site: Site) -> str:
    """One line of the table."""
    night = simulate(kind, items, batches, site)
    shape = f"{kind:7}{items:10,}{batches:9}{site.workers:6}{site.erpnext:5}{site.medusa:8}"
    busy = f"{night.share('ERPNext'):10.0%}{night.share('Medusa'):13.0%}"
    return f"{shape}{night.seconds / 3600:9.2f}{busy}{night.requests:10,}"


def main() -> None:
    """Print tables: how the night grows with items, with batches, with workers, and with bigger servers."""
    print(f"simulated\n{HEAD}")
    kinds: tuple[Kind, ...] = ("first", "quiet", "quarter")
    for kind in kinds:
        for items in (1_000, 10_000, 100_000, 1_000_000):
            print(row(kind, items, 4, Site()))
        for workers in (1, 2, 4, 8):
            print(row(kind, 100_000, 64, Site(workers=workers)))
        for site in (Site(workers=4, erpnext=4), Site(workers=8, erpnext=8), Site(workers=8, erpnext=8, medusa=2)):
            print(row(kind, 1_000_000, 64, site))


if __name__ == "__main__":
    main()
