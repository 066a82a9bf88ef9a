"""How a step of training divides into work and waiting, with 1, 2 and more processes on this machine.

    python tools/many.py [PROCESSES ...]     default: 1 2

Prints milliseconds, of the fastest step in rounds taken in turn, and how many times as fast as one process
each is. Lesson 20 draws such figures. Let the machine do nothing else: other work looks like waiting."""
import json,sys,tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from fastbook_ch4.plumbing.together import run_together  # noqa: E402 - found by the line above

SCRIPT = '''
import json,os,sys,torch,torch.distributed as dist
from fastbook_ch4.plumbing.together import step_times
dist.init_process_group('gloo')
torch.set_num_threads(max(1, os.cpu_count()//dist.get_world_size()))
print(json.dumps(step_times(sys.argv[1], int(sys.argv[2]))))
dist.destroy_process_group()
'''
KINDS = {'linear': 200, 'two layers': 200, 'resnet18': 20}  # model -> steps in a round

def measure(kind, n, steps):
    "Work and waiting of the fastest step in milliseconds, as the first of `n` processes sees it"
    with tempfile.TemporaryDirectory() as tmp:
        script = Path(tmp)/'timing.py'
        script.write_text(SCRIPT)
        return json.loads(run_together(script, kind, steps, n=n)[0])

def main(counts=(1,2), rounds=5):
    print(f'{"model":<12}{"processes":>10}{"work, ms":>10}{"waiting, ms":>13}{"times as fast":>15}')
    for kind,steps in KINDS.items():
        times = {n: [] for n in counts}
        for _ in range(rounds):
            for n in counts: times[n].append(measure(kind, n, steps))
        best = {n: min(times[n], key=sum) for n in counts}
        for n,(work,waiting) in best.items():
            gain = sum(best[counts[0]])/(work+waiting)
            print(f'{kind:<12}{n:>10}{work:>10.2f}{waiting:>13.2f}{gain:>15.2f}', flush=True)

if __name__=='__main__': main([int(o) for o in sys.argv[1:]] or (1,2))
