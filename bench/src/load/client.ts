/** The process that makes load in a client pod; commands `start` (a `LoadSpec`), `mark`, `measure`, `stop`. */
import { answerCommands } from './answer-commands.ts';
import { Connects } from './connects.ts';
import { Held } from './held.ts';
import { KeepAlive } from './keep-alive.ts';
import type { Load } from './load.ts';
import type { ClientCommands, LoadResult, LoadSpec } from './protocol.ts';
import { Requests } from './requests.ts';
import { Throughput } from './throughput.ts';

let load: Load | undefined;

answerCommands<ClientCommands>({
  start: async (spec) => {
    load?.stop();
    load = createLoad(spec);
    await load.start();
  },
  mark: () => load?.mark(),
  measure: (): Promise<LoadResult> => {
    if (load === undefined) throw new Error('nothing has been started');
    return load.measure();
  },
  stop: () => {
    load?.stop();
    load = undefined;
  },
});

function createLoad(spec: LoadSpec): Load {
  switch (spec.kind) {
    case 'throughput':
      return new Throughput(spec);
    case 'connects':
      return new Connects(spec);
    case 'requests':
      return new Requests(spec);
    case 'keep-alive':
      return new KeepAlive(spec);
    case 'held':
      return new Held(spec);
  }
}
