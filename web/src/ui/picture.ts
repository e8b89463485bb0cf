// Small pictures of people, fetched once each: their addresses need the token, which an <img> cannot send. What must not live
// here: files of messages.
import { useEffect, useState } from 'preact/hooks';
import { engine, session } from './state';

/** By the file's hash; as many as there are people with a picture. */
const known = new Map<string, Promise<string | undefined>>();

async function load(blob: string): Promise<string | undefined> {
  const { token } = engine().api;
  if (!token) return undefined;
  const response = await fetch(`/api/v1/blobs/${blob}/thumbnail`, { headers: { Authorization: `Bearer ${token}` }, credentials: 'omit' });
  return response.ok ? URL.createObjectURL(await response.blob()) : undefined;
}

/** Nothing while it is on its way, and where it does not come: then a letter stands for the person. */
export function usePicture(blob: string | null | undefined): string | undefined {
  const [address, setAddress] = useState<string>();
  const token = session.value?.token;
  useEffect(() => {
    let late = false;
    setAddress(undefined);
    if (!blob || !token) return;
    let loading = known.get(blob);
    if (!loading) {
      loading = load(blob).catch(() => undefined);
      known.set(blob, loading);
      // What did not come is asked for again when it is next to be shown.
      void loading.then((found) => found ?? known.delete(blob));
    }
    void loading.then((found) => late || setAddress(found));
    return () => {
      late = true;
    };
  }, [blob, token]);
  return address;
}
