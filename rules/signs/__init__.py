"""Early signs in the live system: every sensor watched by the fleet engine, without any rule that names it.

Start at `watch`: whole batches go in as columns, changes of verdicts come out as findings. `memory` is what a snapshot
holds of it, `handover` gives it its fleet, `around` is what neighbours measured before, `telling` the sentences,
`subjects` sensors as detectors know them, `detectionfile` the city's settings.
"""
