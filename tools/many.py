"""How a step of training divides into work and waiting, with 1, 2 and more processes on this machine.

    python tools/many.py [PROCESSES ...]     default: 1 2

Prints milliseconds, medians of rounds taken in turn, and how many times as fast as one process each is.
Lesson 20 draws such figures. The machine should have nothing else to do: other work looks like waiting."""
import json,sys,tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from fastbook_ch4.plumbing.together import run_together  # noqa: E402 - found by the line above

SCRIPT = '''
import json,sys,torch.distributed as dist
from fastbook_ch4.plumbing.together import step_times
dist.init_process_group('gloo')
print(json.dumps(step_times(sys.argv[1], int(sys.argv[2]))))
dist.destroy_process_group()
'''
KINDS = {'linear': 200, 'two layers': 200, 'resnet18': 10}  # model -> steps in a round

def measure(kind, n, steps):
    "Work and waiting of a step in milliseconds, the mean over the `n` processes"
    with tempfile.TemporaryDirectory() as tmp:
        script = Path(tmp)/'timing.py'
        script.write_text(SCRIPT)
        said = [json.loads(text) for text in run_together(script, kind, steps, n=n)]
    return [sum(o)/n for o in zip(*said)]

def main(counts=(1,2), rounds=5):
    print(f'{"model":<12}{"processes":>10}{"work, ms":>10}{"waiting, ms":>13}{"times as fast":>15}')
    for kind,steps in KINDS.items():
        times = {n: [] for n in counts}
        for _ in range(rounds):
            for n in counts: times[n].append(measure(kind, n, steps))
        middle = {n: [median(o) for o in zip(*times[n])] for n in counts}
        for n,(work,waiting) in middle.items():
            gain = sum(middle[counts[0]])/(work+waiting)
            print(f'{kind:<12}{n:>10}{work:>10.2f}{waiting:>13.2f}{gain:>15.2f}', flush=True)

if __name__=='__main__': main([int(o) for o in sys.argv[1:]] or (1,2))
