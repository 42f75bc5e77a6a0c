import type { WorkloadSelector } from './policy-object.ts';
import type { ProblemList } from './problem-list.ts';

/** Tells labels that no workload can have. */
export function findSelectorProblems(selector: WorkloadSelector | undefined, problems: ProblemList): void {
  for (const [name, value] of Object.entries(selector?.matchLabels ?? {})) {
    const path = `spec.selector.matchLabels[${JSON.stringify(name)}]`;
    if (name === '') problems.fail(path, 'want the name of a label');
    if (`${name}${value}`.includes('*'))
      problems.fail(path, 'labels are compared as they are: * stands for nothing else');
  }
}
