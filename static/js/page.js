// @ts-check
// What every page does.
import { forgetDraftsAtSignOut } from "./drafts.js";
import { startMenus } from "./menus.js";
import { startSearchKeys } from "./search.js";
import { startThemeSwitch } from "./theme.js";
import { localizeTimes } from "./times.js";

startThemeSwitch();
startMenus();
startSearchKeys();
localizeTimes(document);
forgetDraftsAtSignOut();
