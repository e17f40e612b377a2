"""Mutants that change nothing that a kernel promises, with the reason. Each was looked at by hand."""
import re

SAME = "on the border both branches give the same number"
NOTHING_LEFT = "one more round, for which nothing is left"

# (a pattern of "file: kind: old -> new", why it is equivalent)
REASONS = [
    (r"conv\.cu: index: if \(place < -1\)", "the line behind it gives -1 for the place -1 too"),
    (r"contraction\.h: index: .*begin \+ p\.slice_depth <= p\.k", SAME),
    (r"contraction\.h: index: .*k \+ kStep <= end", "fetches a step of zeros that is not multiplied"),
    (r"index\.h: index: .*i >= 0; --i", "the outermost axis is divided too, by which its number stays"),
    (r"index\.h: index: .*walk\.count >= 0", "a walk without axes has strides of zero"),
    (r"max_pool\.cu: index: .*axis\.kernel <= room", SAME),
    (r"max_pool\.cu: index: .*last <= axis\.windows", SAME),
    (r"max_pool\.cu: index: .*pixel\[i\] <= axis\.kernel", "one more row of windows, whose index is never that large"),
    (r"max_pool\.cu: index: .*rest <= p\.axes\[0\]\.kernel", "the index of a forward pass is never that large"),
    (r"random\.cu: index: .*if \(begin > p\.elements\)", "a thread that then finds no element to write"),
    (r"random\.cu: index: for \(int k = 0; k <= [48]", "short ends only come here: the guard behind it stops"),
    (r"segment_sum\.cu: index: .*begin \+ k <= p\.count", NOTHING_LEFT),
    (r"segment_sum\.cu: index: .*distance <= kWarp", "no lane is 32 or above, so nothing is added"),
    (r"segment_sum\.cu: index: .*bit <= kDigitBits", "that bit is zero in all digits, and all agree"),
    (r"kernels/\w+\.cu: index: .*first > end \? 0", SAME),
    (r"kernels/\w+\.cu: index: .*end - first > 4 \? 4", SAME),
    (r"kernels/\w+\.cu: index: .*p - lane \* 4u <= ", NOTHING_LEFT),
]


def reason_of(result):
    text = f"{result['file']}: {result['kind']}: {result['what'].split('  ->  ')[1]}"
    for pattern, reason in REASONS:
        if re.search(pattern, text):
            return reason
    return None
