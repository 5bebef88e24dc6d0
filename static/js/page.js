// What every page does.
import { forgetDraftsAtSignOut } from "./drafts.js";
import { startMenus } from "./menus.js";
import { startThemeSwitch } from "./theme.js";
import { localizeTimes } from "./times.js";

startThemeSwitch();
startMenus();
localizeTimes(document);
forgetDraftsAtSignOut();
