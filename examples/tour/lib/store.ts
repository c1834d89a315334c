/** Lives as long as the isolate: module state is kept between requests. */
export interface Item {
  id: string;
  name?: string;
}

const items = new Map<string, Item>([["1", { id: "1", name: "first" }]]);

export const find = (id: string) => items.get(id);
export const save = (item: Item) => void items.set(item.id, item);
export const remove = (id: string) => items.delete(id);
