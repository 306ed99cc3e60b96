"""What the rows of a run come to: sums, and what must not be. Pure, so that test_verdict.py can say what makes a run fail."""

# Of each 20 breakages so many come back to their login prompt by one command.
BACK, OF = 15, 20
DIAGNOSIS_SECONDS = 60


def unmended(found, left, offers, done):
    """What was found first and is found still, though one of its fixes was done. `offers`: the fixes' codes by the finding's."""
    return sorted(code for code in left if code in found and set(offers.get(code, ())) & set(done))


def sums(rows):
    broken, healthy = [row for row in rows if row["expected"]], [row for row in rows if not row["expected"]]
    named = sum(len(row["expected"]) for row in broken)
    hits = named - sum(len(row["missed"]) for row in broken)
    strays = sum(len(row["unexpected"]) for row in rows)
    return {
        "breakages": len(broken),
        "found": sum(1 for row in broken if not row["missed"]),
        "healthy": len(healthy),
        "false_findings": sum(len(row["found"]) for row in healthy),
        "back_with_one_command": sum(1 for row in broken if row["back"]),
        "precision": round(hits / max(1, hits + strays), 4),
        "recall": round(hits / max(1, named), 4),
    }


def faults(rows, whole=False, all_back=False):
    """Why the run fails, a line each. `whole`: it had all recipes, so that BACK of OF is asked. `all_back`: every breakage can be mended."""
    said = []
    for row in rows:
        name, seconds = row["name"], row["diagnosis_seconds"]
        if row.get("failed"):
            said.append(f"{name}: it did not run to its end: {row['stopped_by']}")
        elif seconds is None:
            said.append(f"{name}: there was no diagnosis")
        if row["missed"]:
            said.append(f"{name}: not found: {' '.join(row['missed'])}")
        if not row["expected"] and row["found"]:
            said.append(f"{name}: healthy, and found was: {' '.join(row['found'])}")
        if not row["expected"] and row["back"] is False:
            said.append(f"{name}: healthy, and does not come up")
        if row["unmended"]:
            said.append(f"{name}: still found after its fix: {' '.join(row['unmended'])}")
        if seconds is not None and seconds > DIAGNOSIS_SECONDS:
            said.append(f"{name}: its diagnosis took {seconds:.1f} s; at most {DIAGNOSIS_SECONDS}")
        if all_back and row["expected"] and not row["back"]:
            said.append(f"{name}: does not come back")
    told = sums(rows)
    back, breakages = told["back_with_one_command"], told["breakages"]
    if whole and back * OF < breakages * BACK:
        said.append(f"{back} of {breakages} come back with one command; at least {BACK} of each {OF}")
    return said
