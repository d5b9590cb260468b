"""`tests.support.hlo` on a program that is small enough to count by hand."""

import pytest

from tests.support.hlo import count_kernels, largest_buffer

PROGRAM = """\
HloModule step, is_scheduled=true, entry_computation_layout={(f32[2,3]{1,0})->(f32[], f32[2,3]{1,0})}

FileNames
1 "step.py"

StackFrames
1 {file_location_id=1 parent_frame_id=1}

%fused (param_0: f32[2,3]) -> f32[2,3] {
  %param_0 = f32[2,3]{1,0} parameter(0)
  %wide = f32[2,3,5]{2,1,0} broadcast(%param_0), dimensions={0,1}
  ROOT %log.1 = f32[2,3]{1,0} log(%param_0), metadata={op_name="jit(step)/log" stack_frame_id=1}
}

%short (arg.1: (f32[2,3], f32[])) -> f32[2,3] {
  %arg.1 = (f32[2,3]{1,0}, f32[]) parameter(0)
  ROOT %get-tuple-element.1 = f32[2,3]{1,0} get-tuple-element(%arg.1), index=0
}

%long (arg.2: (f32[2,3], f32[])) -> f32[2,3] {
  %arg.2 = (f32[2,3]{1,0}, f32[]) parameter(0)
  %get-tuple-element.2 = f32[2,3]{1,0} get-tuple-element(%arg.2), index=0
  %copy.1 = f32[2,3]{1,0} copy(%get-tuple-element.2)
  ROOT %log_fusion.1 = f32[2,3]{1,0} fusion(%copy.1), kind=kLoop, calls=%fused
}

%helper (param_1: f32[2,3]) -> f32[3,3] {
  %param_1 = f32[2,3]{1,0} parameter(0)
  ROOT %dot.1 = f32[3,3]{1,0} dot(%param_1, %param_1), lhs_contracting_dims={0}, rhs_contracting_dims={0}
}

%sum (x.1: f32[], y.1: f32[]) -> f32[] {
  %x.1 = f32[] parameter(0)
  %y.1 = f32[] parameter(1)
  ROOT %add.1 = f32[] add(%x.1, %y.1)
}

ENTRY %main (logits: f32[2,3]) -> (f32[], f32[2,3]) {
  %logits = f32[2,3]{1,0} parameter(0), metadata={op_name="logits"}
  %zero = f32[] constant(0)
  %log_fusion = f32[2,3]{1,0} fusion(%logits), kind=kLoop, calls=%fused
  %compare.1 = pred[] compare(%zero, %zero), direction=EQ
  %both = (f32[2,3]{1,0}, /*index=1*/f32[]) tuple(%log_fusion, %zero)
  %cond = f32[2,3]{1,0} conditional(%compare.1, %both, %both), true_computation=%short, false_computation=%long
  %call.1 = f32[3,3]{1,0} call(%cond), to_apply=%helper
  %reduce.1 = f32[] reduce(%call.1, %zero), dimensions={0,1}, to_apply=%sum
  ROOT %tuple.1 = (f32[], f32[2,3]{1,0}) tuple(%reduce.1, %cond)
}
"""


def test_what_launches_no_kernel_is_not_counted() -> None:
    """Fusion, comparison and reduction; two of the longer branch; one of the call."""
    assert count_kernels(PROGRAM) == 3 + 2 + 1


@pytest.mark.parametrize(
    ("old", "new", "kernels"),
    [
        ("  %call.1 =", "  %more = f32[] add(%zero, %zero)\n  %call.1 =", 7),
        ("  %copy.1 =", "  %more = f32[2,3]{0,1} transpose(%get-tuple-element.2)\n  %copy.1 =", 7),
        ("  ROOT %dot.1 =", "  %more = f32[] custom-call(%param_1)\n  ROOT %dot.1 =", 7),
        ("  %wide =", "  %more = f32[] add(%param_0, %param_0)\n  %wide =", 6),
        ("true_computation=%short, false_computation=%long", "branch_computations={%short, %long, %short}", 6),
        ("true_computation=%short, false_computation=%long", "branch_computations={%short}", 4),
        ("compare(%zero", "bitcast(%zero", 5),
        ("%", "", 6),
    ],
    ids=["entry", "branch", "call", "fused", "several branches", "short branch", "no work", "bare names"],
)
def test_each_kind_of_computation_counts_as_it_runs(old: str, new: str, kernels: int) -> None:
    assert old in PROGRAM
    assert count_kernels(PROGRAM.replace(old, new)) == kernels


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ENTRY ", "", "must have an ENTRY"),
        ("call(%cond), to_apply", "while(%cond), condition=%short, body", "a loop has no fixed number"),
        ("  %zero = f32[] constant(0)", "  something else", "one instruction a line, got something else"),
    ],
)
def test_what_cannot_be_counted_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        count_kernels(PROGRAM.replace(old, new))


def test_the_largest_buffer_may_be_inside_of_a_kernel() -> None:
    assert largest_buffer(PROGRAM) == 2 * 3 * 5
    assert largest_buffer(PROGRAM.replace("f32[2,3,5]", "pred[2,2]")) == 3 * 3
