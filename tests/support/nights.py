"""Names that tests of whole nights share: tasks, the batches of the export, and the route that creates products."""

EXPORT = "export_items_and_images_custom"
CLEARANCE = "fetch_clearance_items"
TOP_SELLERS = "add_top_selling_items_to_collection"
BATCHES = [f"batch_{number}" for number in range(4)]
CREATE = "/admin/products/batch"
