import type { Diagnosis, DiagnosisWanted } from '../../data-plane/thread-diagnosis.ts';
import type { Answer } from './http-listener.ts';

/** Of `/debug/pprof/profile` of the reference. */
const defaultSeconds = 10;
const mostSeconds = 300;

/** Data threads that can be asked about themselves. */
export interface Diagnosable {
  readonly threads: number;
  examine(thread: number, wanted: DiagnosisWanted): Promise<Diagnosis>;
}

/** `/debug/profile?thread=0&seconds=10`: a `.cpuprofile` of one data thread, for the developer tools of a browser. */
export function profilePage(url: URL, threads: Diagnosable): Promise<Answer> | Answer {
  const seconds = wholeNumber(url, 'seconds', defaultSeconds);
  if (seconds === undefined || seconds < 1 || seconds > mostSeconds)
    return refusal(`invalid seconds value; expected 1-${mostSeconds}\n`);
  return examine(url, threads, { kind: 'cpu-profile', durationMs: seconds * 1000 });
}

/** `/debug/heap?thread=0`: V8's statistics of the heap of one data thread. */
export function heapPage(url: URL, threads: Diagnosable): Promise<Answer> | Answer {
  return examine(url, threads, { kind: 'heap' });
}

async function examine(url: URL, threads: Diagnosable, wanted: DiagnosisWanted): Promise<Answer> {
  const thread = wholeNumber(url, 'thread', 0);
  if (thread === undefined || thread >= threads.threads)
    return refusal(`invalid thread value; expected 0-${threads.threads - 1}\n`);
  const diagnosis = await threads.examine(thread, wanted);
  if ('failure' in diagnosis) return { status: 503, contentType: 'text/plain', body: `${diagnosis.failure}\n` };
  const { json } = diagnosis;
  if (wanted.kind === 'heap') return { status: 200, contentType: 'application/json', body: json };
  const disposition = ['content-disposition', `attachment; filename="data-thread-${thread}.cpuprofile"`] as const;
  return { status: 200, contentType: 'application/json', headers: [disposition], body: json };
}

function refusal(body: string): Answer {
  return { status: 400, contentType: 'text/plain', body };
}

function wholeNumber(url: URL, name: string, fallback: number): number | undefined {
  const text = url.searchParams.get(name);
  if (text === null) return fallback;
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
