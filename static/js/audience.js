// @ts-check
// The recipients of a message, besides those in its text: `request(text)` is sent, and priced.
import { announce } from "./announce.js";
import { keepRecipients, readRecipients } from "./drafts.js";
import { facts } from "./facts.js";
import { tagsIn } from "./tags.js";

const EVERYBODY = facts.everybody.key;
const AND = new Intl.ListFormat("en");

/** A chat with one agent: only the text counts. */
class Audience {
  /** `keys` are the agents that can be tagged. */
  constructor(form, keys) {
    this.form = form;
    this.keys = keys;
    this.box = form.querySelector("[data-message]");
  }

  request(text) {
    return { message: text };
  }

  /** Take the recipients of a message that was just sent, by this page or another. */
  follow(message) {}

  /** The text was sent. */
  accepted() {}

  changed() {
    this.form.dispatchEvent(new Event("audience"));
  }

  tagged() {
    return tagsIn(this.box.value, this.keys);
  }
}

/** At first everyone. The last recipients stay, until they are removed or a message has tags of its own. */
class Addressees extends Audience {
  constructor(form, keys, sessionId) {
    super(form, keys);
    this.sessionId = sessionId;
    this.element = form.querySelector("[data-addressees]");
    this.place = this.element.querySelector("[data-addressee-chips]");
    this.placeholder = this.box.placeholder;
    this.box.addEventListener("input", () => this.look());
    this.box.addEventListener("keydown", (event) => {
      // A key held down to empty the box removes nobody.
      if (event.key === "Backspace" && !event.repeat && !this.box.value && this.list.length)
        this.remove(this.list.at(-1));
    });
    this.element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-addressee]");
      if (button) this.remove(button.dataset.addressee);
    });
    const known = [...keys, EVERYBODY];
    const chosen = readRecipients(sessionId)?.filter((key) => known.includes(key));
    this.set(chosen ?? this.element.dataset.addressees.split(" ").filter(Boolean));
  }

  request(text) {
    const own = !this.list.length || tagsIn(text, this.keys).length;
    return { message: own ? text : `${this.list.map(tag).join(" ")} ${text}` };
  }

  follow(message) {
    const keys = tagsIn(message, this.keys);
    keepRecipients(this.sessionId, null); // from now on the message says who they are
    this.set(keys.includes(EVERYBODY) || !keys.length ? [EVERYBODY] : keys);
  }

  set(keys) {
    this.list = keys;
    this.element.hidden = !keys.length;
    this.place.replaceChildren(...keys.map(chipOf));
    const names = keys.includes(EVERYBODY) ? "everyone" : AND.format(keys.map(tag));
    this.box.placeholder = keys.length ? `Message ${names}` : this.placeholder;
    this.look();
    this.changed();
  }

  remove(key) {
    const place = this.list.indexOf(key);
    const hadFocus = this.element.contains(document.activeElement);
    this.set(this.list.filter((other) => other !== key));
    keepRecipients(this.sessionId, this.list);
    announce(`${nameOf(key)} is no longer asked.`);
    if (hadFocus) (this.place.children[place] ?? this.place.lastElementChild ?? this.box).focus();
  }

  /** Tags in the text take precedence: show that instead of the recipients, and offer these as well. */
  look() {
    const replaced = this.tagged().length > 0;
    this.element.classList.toggle("addressees-replaced", replaced);
    for (const offered of this.form.querySelectorAll(".chips-offered [data-tag]")) {
      offered.hidden = !replaced && this.list.includes(offered.dataset.tag);
    }
  }
}

/** In modes where other agents answer as well, a toggle asks only the tagged ones. */
class Only extends Audience {
  constructor(form, keys) {
    super(form, keys);
    this.button = form.querySelector("[data-only]");
    this.box.addEventListener("input", () => this.look());
    this.button.addEventListener("click", () => this.press(!this.pressed));
    this.press(false);
    this.look();
  }

  get pressed() {
    return this.button.getAttribute("aria-pressed") === "true";
  }

  request(text) {
    return this.pressed ? { message: text, mode: this.button.dataset.only } : { message: text };
  }

  accepted() {
    this.press(false);
    this.look();
  }

  press(pressed) {
    this.button.setAttribute("aria-pressed", String(pressed));
    this.changed();
  }

  look() {
    const keys = this.tagged();
    const offers = keys.length > 0 && !keys.includes(EVERYBODY);
    if (offers) this.button.textContent = `Only ${AND.format(keys.map(tag))}`;
    else if (this.pressed) this.press(false);
    this.button.hidden = !offers;
  }
}

export function audienceOf(form, keys, sessionId) {
  if (form.querySelector("[data-addressees]")) return new Addressees(form, keys, sessionId);
  if (form.querySelector("[data-only]")) return new Only(form, keys);
  return new Audience(form, keys);
}

function tag(key) {
  return `@${key}`;
}

/** How a chip shows a recipient. */
function nameOf(key) {
  return key === EVERYBODY ? facts.everybody.name : tag(key);
}

function chipOf(key) {
  const chip = document.createElement("button");
  const cross = document.createElement("span");
  chip.type = "button";
  chip.className = "chip chip-addressee";
  chip.dataset.addressee = key;
  chip.title = `Do not ask ${key === EVERYBODY ? "everyone" : tag(key)}`;
  chip.setAttribute("aria-label", `Remove ${nameOf(key)}`);
  cross.setAttribute("aria-hidden", "true");
  cross.textContent = "×";
  chip.append(nameOf(key), cross);
  return chip;
}
