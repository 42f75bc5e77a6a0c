import type { UnappliedObject } from '../conversion/find-unapplied.ts';

/** Of a long list, so many are shown. */
const MOST_SHOWN = 20;

/** What was read and does not apply to a workload, each with the reason; empty without any. Ends in a line break. */
export function renderUnapplied(
  unapplied: readonly Omit<UnappliedObject, 'kind'>[],
  { namespace, applying }: { readonly namespace: string; readonly applying: number },
): string {
  if (unapplied.length === 0) return applying === 0 ? 'no policies were read\n' : '';
  const elsewhere = applying === 0 && unapplied.every(({ why }) => why.startsWith('is for namespace '));
  const hidden = unapplied.length - MOST_SHOWN;
  return [
    elsewhere ? `nothing that was read is for namespace ${namespace}:` : 'read, but not for this workload:',
    ...unapplied.slice(0, MOST_SHOWN).map(({ object, why }) => `  ${object} ${why}`),
    ...(hidden > 0 ? [`  … (${hidden} more)`] : []),
  ]
    .map((line) => `${line}\n`)
    .join('');
}
