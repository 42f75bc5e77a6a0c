/** Answers one sample of resident memory, ours and that of `node:http2`, as JSON, for `npm run bench -- --libraries`. */
import { stdout } from 'node:process';
import { measureMemory } from './measure-memory.ts';

const ours = await measureMemory('ours');
const http2 = await measureMemory('http2');
stdout.write(
  JSON.stringify({
    connection: { value: [ours.kibAConnection], baseline: [http2.kibAConnection] },
    stream: { value: [ours.kibAStream], baseline: [http2.kibAStream] },
    whole: { value: [ours.mibOfTenThousand], baseline: [http2.mibOfTenThousand] },
  }),
);
