"""Options of a small model of composites, of a few photos of the park."""

PHOTOS = ["photos=.", "min_thing=0.001", "min_count=1", "fetch=null"]
COMPOSITE = [
    "task=composite",
    "model=text2scene_mini",
    "debug=tiny_scenes",
    "data=coco_composite",
    *(f"data.{choice}" for choice in PHOTOS),
    "data.side=32",
    "canvas.side=32",
    "canvas.widths=[8,8,8]",
    "heads.appearance.size=8",
    "patch_encoder.hidden=4",
    "trainer=cpu",
    "trainer.limit_test_batches=1.0",
]
