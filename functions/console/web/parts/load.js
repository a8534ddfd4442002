// Loading data for a view, once or again and again.
import { useCallback, useEffect, useState } from "./html.js";

/**
 * Calls `load(signal)` when `keys` change, and again every `every(data)` milliseconds while that is not null.
 * What was loaded stays visible while it is loaded again.
 */
export function useLoad(load, keys, every = () => null) {
  const [state, setState] = useState({ data: undefined, error: null, keys });
  const [round, setRound] = useState(0);

  useEffect(() => {
    const controller = new AbortController();
    let timer;
    const again = (wait) => {
      if (wait !== null) timer = setTimeout(() => setRound((value) => value + 1), wait);
    };
    load(controller.signal).then(
      (data) => {
        if (controller.signal.aborted) return;
        setState({ data, error: null, keys });
        again(every(data));
      },
      (error) => {
        if (controller.signal.aborted) return;
        setState((old) => ({ data: same(old.keys, keys) ? old.data : undefined, error, keys }));
        // A failure does not end the polling.
        if (every(undefined) !== null) again(5000);
      },
    );
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [...keys, round]);

  const reload = useCallback(() => setRound((value) => value + 1), []);
  // What belongs to other keys is not shown under these.
  return same(state.keys, keys) ? { ...state, reload } : { data: undefined, error: null, reload };
}

const same = (some, others) => some.every((key, index) => key === others[index]);

/** Returns `[run, isRunning, error]`: runs an action once at a time and keeps its error. */
export function useAction(action) {
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState(null);
  const run = async (...values) => {
    if (isRunning) return;
    setRunning(true);
    setError(null);
    try {
      await action(...values);
    } catch (problem) {
      setError(problem);
    } finally {
      setRunning(false);
    }
  };
  return [run, isRunning, error];
}
