"""Who may ask Medusa, by key or by log-in, whether it is new enough, and that no secret is told. On any Medusa."""

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.suites.export import BATCH_ROUTE, EXPORT, products
from tests.support.catalogue import Catalogue
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp


class AccessSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_a_wrong_key_fails_the_run_with_words_and_without_the_key(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        catalogue.items(2, catalogue.group("Beds"))
        for name in ("MEDUSA_ADMIN_EMAIL", "MEDUSA_ADMIN_PASSWORD"):
            shop_env.delenv(name, raising=False)
        shop_env.setenv("MEDUSA_API_KEY", "sk_not_the_key")
        run = runner.assets(EXPORT, "batch_0")
        assert not run.success
        text = run.failure_text("medusa_collections")
        assert "check MEDUSA_API_KEY" in text
        assert "sk_not_the_key" not in text
        shop_env.setenv("MEDUSA_API_KEY", medusa.api_key)
        assert runner.assets(EXPORT, "batch_0").success

    def test_an_admins_log_in_is_used_instead_of_the_key_and_renewed(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        if not medusa.admin_email:
            pytest.fail("set MEDUSA_ADMIN_EMAIL and MEDUSA_ADMIN_PASSWORD, an admin's of the Medusa under test")
        names = catalogue.items(2, catalogue.group("Lamps"))
        shop_env.setenv("MEDUSA_API_KEY", "sk_not_the_key")
        shop_env.setenv("MEDUSA_ADMIN_EMAIL", medusa.admin_email)
        shop_env.setenv("MEDUSA_ADMIN_PASSWORD", f"not {medusa.admin_password}")
        run = runner.assets(EXPORT, "batch_0")
        assert not run.success
        text = run.failure_text("medusa_collections")
        assert "check MEDUSA_ADMIN_EMAIL and MEDUSA_ADMIN_PASSWORD" in text
        assert medusa.admin_password not in text
        shop_env.setenv("MEDUSA_ADMIN_PASSWORD", medusa.admin_password)
        # A token that has expired in the middle of the run.
        medusa.faults.add(Fault("status", "POST", BATCH_ROUTE, status=401, json={"message": "Unauthorized"}, times=1))
        medusa.faults.forget_requests()
        assert runner.assets(EXPORT, "batch_0").success
        # Counted first: the test's own client logs in as well.
        logins = [seen for seen in medusa.faults.requests if seen.path.startswith("/auth/")]
        assert len(logins) == 2, "once for the whole run, and once more"
        assert sorted(products(medusa, names)) == names

    def test_before_the_first_product_a_medusa_that_is_too_old_is_refused_in_one_sentence(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(2, catalogue.group("Scales"))
        page = "<!DOCTYPE html><html><body><pre>Cannot GET /admin/product-options</pre></body></html>"
        medusa.faults.add(Fault("status", "GET", "/admin/product-options", status=404, text=page))
        run = runner.assets(EXPORT, "batch_0")
        assert not run.success
        assert "this Medusa is older than 2.17, it has no product options of its own: upgrade it" in run.failure_text(
            "medusa_products"
        )
        assert products(medusa, names) == {}
        medusa.faults.heal()
        assert runner.assets(EXPORT, "batch_0").success
        assert sorted(products(medusa, names)) == names

    def test_no_secret_reaches_the_event_log(
        self, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer, shop_env: pytest.MonkeyPatch
    ) -> None:
        runner = Runner()
        catalogue.items(3, catalogue.group("Bags"))
        medusa.faults.add(Fault("status", method="POST", path=BATCH_ROUTE, status=500, times=2))
        run = runner.assets(EXPORT, "batch_0")
        log = "\n".join(record.to_json() for record in runner.instance.all_logs(run.result.run_id))
        assert len(log) > 1000
        for secret in (erp.key, erp.secret, medusa.api_key):
            assert secret not in log
